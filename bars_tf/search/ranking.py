"""The ranking of candidates by their scores under the supernet's shared weights, for one budget or for a family."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from bars_tf import console
from bars_tf.config import running_seconds
from bars_tf.cost.budget import NEARLY_ALL, Budget
from bars_tf.cost.part_costs import cost_of
from bars_tf.files import read_json, write_json
from bars_tf.search.derivation import evolution
from bars_tf.search.derivation.candidates import Candidate, candidates, grow_to_budget
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import Genotype
from bars_tf.training.progress import Progress

# Children that evolution adds to the candidates of a budget, more in each round, while the best of them scores below
# the member of a smaller budget; after the last round that one gives way.
CHILDREN = (0, 16, 24)


Score = Callable[[Genotype], tuple[float, float]]  # of a genotype, by a supernet: accuracy and loss


class SavedScores:
    """A `Score` kept in a file: a stopped run resumes with the missing ones.

    `make` returns the score that is kept, once one is missing. Attributes: `known` scores by genotype, and the
    `seconds` that they took, in all starts.
    """

    def __init__(self, path: Path, make: Callable[[], Score]):
        self.path, self._make = path, functools.cache(make)
        self._rows = read_json(path, max_bytes=2**30) if path.exists() else []
        self.seconds = sum(row["seconds"] for row in self._rows)
        self.known = {Genotype.from_dict_of(path, row["genotype"]): (row["accuracy"], row["loss"])
                      for row in self._rows}

    def __call__(self, genotype: Genotype) -> tuple[float, float]:
        if genotype not in self.known:
            started = running_seconds()
            accuracy, loss = self.known[genotype] = self._make()(genotype)
            seconds = running_seconds() - started
            self.seconds += seconds
            self._rows.append({"genotype": genotype.to_dict(), "accuracy": accuracy, "loss": loss, "seconds": seconds})
            write_json(self.path, self._rows)
        return self.known[genotype]


def rank(supernet: Supernet, batches: Iterable | None, num_samples: int = 8, budget: Budget | None = None,
         relatives: Iterable[Genotype] = (), score: Score | None = None, num_children: int = 0,
         title: str | None = None) -> list[Candidate]:
    """Scores candidates within the budget and returns them, the best first.

    Those that use less than `NEARLY_ALL` of the budget come behind all others; equal accuracies go by the loss.

    Args:
        batches: (images [B, H, W, C], labels [B]), which can be read more than once.
        num_samples: sampled candidates beside the most probable one.
        budget: the limits; None: those of the supernet.
        relatives: genotypes of smaller budgets, which are grown to this one and scored too.
        score: takes the place of that by the batches.
        num_children: genotypes that evolution adds.
        title: name under which the progress is shown; None: it is not.
    """
    budget, tables, alphas, scored = budget or supernet.budget, supernet.tables, supernet.alphas(), []
    score = score or functools.partial(Scorer(supernet).score, batches=batches)
    found = {c.genotype.canonical(): c for c in candidates(alphas, tables, budget, num_samples, supernet.seed)}
    for genotype in relatives:
        grown = grow_to_budget(genotype, alphas, tables, budget)
        found.setdefault(grown.canonical(), Candidate(grown, cost_of(grown, tables), "grown"))

    progress = Progress(title, 1, len(found) + num_children, ("accuracy",)) if title else None

    def add(candidate):
        accuracy, loss = score(candidate.genotype)
        scored.append(candidate._replace(accuracy=accuracy, loss=loss))
        if progress:
            progress.on_train_batch_end(len(scored) - 1, {"accuracy": accuracy})

    def order(candidate):
        return budget.used(candidate.cost) < NEARLY_ALL, -candidate.accuracy, candidate.loss

    for candidate in found.values():
        add(candidate)
    rng = np.random.default_rng([supernet.seed, 1])
    for _ in range(num_children):
        best = [c.genotype for c in sorted(scored, key=order)]
        child = evolution.child(best, set(best), tables, budget, rng)
        if child is None:
            break
        add(Candidate(child, cost_of(child, tables), "evolved"))
    if progress:
        progress.on_epoch_end(0, {"accuracy": scored[-1].accuracy})
    return sorted(scored, key=order)


def rank_members(rank: Callable[..., list[Candidate]], budgets: Mapping[float, Budget]) -> dict[float, list[Candidate]]:
    """Ranks the candidates of each budget and returns them by limit, the member of the family first.

    A member uses `NEARLY_ALL` of its budget if any candidate does, and scores no worse than the members of smaller
    budgets. `rank` is the function of that name for one supernet and its images; limits increase.
    """
    found, relatives = {}, []
    for limit, budget in budgets.items():
        best_smaller = max((ranked[0].accuracy for ranked in found.values()), default=0.0)
        for num_children in CHILDREN:
            ranked = rank(budget=budget, relatives=relatives, num_children=num_children)
            if ranked[0].accuracy >= best_smaller:
                break
        found[limit] = ranked
        relatives = [c.genotype for c in ranked[:4]]
    # Where a member scores above that of a larger budget, the best candidate that does not takes its place, if any: a
    # supernet cannot resolve such differences.
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
