"""The ranking of candidates by their scores under the supernet's shared weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from bars_tf.cost.budget import NEARLY_ALL, Budget
from bars_tf.cost.tables import cost_of
from bars_tf.search.derivation import evolution
from bars_tf.search.derivation.candidates import Candidate, candidates
from bars_tf.search.derivation.growth import grow_to_budget
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import Genotype


def rank(supernet: Supernet, batches: Iterable, num_samples: int = 8,
         progress: Callable[[Candidate, int, int], None] | None = None,
         known: Mapping[Genotype, tuple[float, float]] | None = None, budget: Budget | None = None,
         relatives: Iterable[Genotype] = (), scorer: Scorer | None = None, num_children: int = 0) -> list[Candidate]:
    """Scores candidates within the budget and returns them, the best first.

    Those that use less than `NEARLY_ALL` of the budget come behind all others; equal accuracies go by the loss.

    Args:
        supernet: a compiled supernet.
        batches: (images [B, H, W, C], labels [B]), which can be read more than once.
        num_samples: number of sampled candidates beside the most probable one.
        progress: called with each scored candidate, its number from 1, and the number of all.
        known: accuracy and loss of genotypes that were scored before.
        budget: the limits; None: those of the supernet.
        relatives: genotypes of smaller budgets, which are grown to this one and scored too.
        scorer: of this supernet, which spares tracing it again.
        num_children: number of genotypes that evolution adds to these.
    """
    budget, tables, known = budget or supernet.budget, supernet.tables, known or {}
    scorer, alphas, scored = scorer or Scorer(supernet), supernet.alphas(), []
    found = {c.genotype.canonical(): c for c in candidates(alphas, tables, budget, num_samples, supernet.seed)}
    for genotype in relatives:
        grown = grow_to_budget(genotype, alphas, tables, budget)
        found.setdefault(grown.canonical(), Candidate(grown, cost_of(grown, tables), "grown"))

    def score(candidate):
        accuracy, loss = known.get(candidate.genotype) or scorer.score(candidate.genotype, batches)
        scored.append(candidate._replace(accuracy=accuracy, loss=loss))
        if progress:
            progress(scored[-1], len(scored), len(found) + num_children)

    def order(candidate):
        return budget.used(candidate.cost) < NEARLY_ALL, -candidate.accuracy, candidate.loss

    for candidate in found.values():
        score(candidate)
    rng = np.random.default_rng([supernet.seed, 1])
    for _ in range(num_children):
        best = [c.genotype for c in sorted(scored, key=order)]
        child = evolution.child(best, set(best), tables, budget, rng)
        if child is None:
            break
        score(Candidate(child, cost_of(child, tables), "evolved"))
    return sorted(scored, key=order)
