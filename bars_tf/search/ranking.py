"""The ranking of candidates by their scores under the supernet's shared weights, for one budget or for a family."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from bars_tf import console
from bars_tf.cost.budget import NEARLY_ALL, Budget
from bars_tf.cost.tables import cost_of
from bars_tf.search.derivation import evolution
from bars_tf.search.derivation.candidates import Candidate, candidates, grow_to_budget
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import Genotype

# Children that evolution adds to the candidates of a budget, more in each round, while the best of them scores below
# the member of a smaller budget; after the last round that one gives way.
CHILDREN = (0, 16, 24)


def rank(supernet: Supernet, batches: Iterable, num_samples: int = 8,
         progress: Callable[[Candidate, int, int], None] | None = None,
         known: Mapping[Genotype, tuple[float, float]] | None = None, budget: Budget | None = None,
         relatives: Iterable[Genotype] = (), scorer: Scorer | None = None, num_children: int = 0) -> list[Candidate]:
    """Scores candidates within the budget and returns them, the best first.

    Those that use less than `NEARLY_ALL` of the budget come behind all others; equal accuracies go by the loss.

    Args:
        batches: (images [B, H, W, C], labels [B]), which can be read more than once.
        num_samples: sampled candidates beside the most probable one.
        progress: called with each scored candidate, its number from 1, and the number of all.
        known: accuracy and loss of genotypes that were scored before.
        budget: the limits; None: those of the supernet.
        relatives: genotypes of smaller budgets, which are grown to this one and scored too.
        scorer: of this supernet, which spares tracing it again.
        num_children: genotypes that evolution adds.
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


def rank_members(rank: Callable[..., list[Candidate]], budgets: Mapping[float, Budget],
                 known: Mapping[Genotype, tuple[float, float]] | None = None) -> dict[float, list[Candidate]]:
    """Ranks the candidates of each budget and returns them, the member of the family first.

    A member uses `NEARLY_ALL` of its budget if any candidate does, and scores no worse than the members of smaller
    budgets.

    Args:
        rank: the function `rank` for one supernet and its images.
        budgets: by limit, increasing.
        known: accuracy and loss of genotypes that were scored before.
    """
    found, relatives, known = {}, [], dict(known or {})
    for limit, budget in budgets.items():
        best_smaller = max((ranked[0].accuracy for ranked in found.values()), default=0.0)
        for num_children in CHILDREN:
            ranked = rank(known=known, budget=budget, relatives=relatives, num_children=num_children)
            known |= {c.genotype: (c.accuracy, c.loss) for c in ranked}
            if ranked[0].accuracy >= best_smaller:
                break
        found[limit] = ranked
        relatives = [c.genotype for c in ranked[:4]]
    return _monotone(found)


def _monotone(found: dict[float, list[Candidate]]) -> dict[float, list[Candidate]]:
    """Where a member scores above that of a larger budget, the best candidate that does not takes its place, if any: a
    supernet cannot resolve such differences."""
    most = float("inf")
    for limit, ranked in sorted(found.items(), reverse=True):
        member = next((c for c in ranked if c.accuracy <= most), ranked[0])
        if ranked[0].accuracy > most:
            which = "all its candidates score" if member.accuracy > most else "its best candidate gives way: it scores"
            console.say(f"family  {limit:,.0f}: {which} above the member of the next budget, for which a higher "
                        "--num_candidates may find a better one")
        found[limit] = [member, *(c for c in ranked if c is not member)]
        most = min(most, member.accuracy)
    return found
