"""Candidates: the genotypes within a budget that alphas propose. Pure functions of arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import Cost
from bars_tf.cost.tables import CostTables, cost_of
from bars_tf.search.derivation.growth import grow_to_budget
from bars_tf.search.derivation.optimum import most_probable
from bars_tf.space.encoding import Choices
from bars_tf.space.genotype import Genotype


class Candidate(NamedTuple):
    """A derived genotype with its exact cost and its score by the supernet, which is None before it is scored."""

    genotype: Genotype
    cost: Cost
    origin: str  # "most probable", "sampled", "grown" (from a smaller budget) or "evolved"
    accuracy: float | None = None
    loss: float | None = None


def candidates(alphas: Choices, tables: CostTables, budget: Budget, num_samples: int, seed: int) -> list[Candidate]:
    """Returns the most probable genotype within the budget, then samples within it, each grown (`grow_to_budget`).

    A sample is the most probable genotype within the budget under alphas with Gumbel noise added (perturb and MAP, our
    choice): always within the budget, whatever fraction of the space is.

    Fewer than `num_samples` samples come where 4 times as many draws have no more different networks.

    Raises: ValueError if no genotype keeps the budget.
    """
    rng = np.random.default_rng(seed)

    def add(alphas: Choices, origin: str) -> None:
        genotype = grow_to_budget(most_probable(alphas, tables, budget), alphas, tables, budget)
        found.setdefault(genotype.canonical(), Candidate(genotype, cost_of(genotype, tables), origin))

    found: dict[tuple, Candidate] = {}
    add(alphas, "most probable")
    for _ in range(4 * num_samples):
        if len(found) > num_samples:
            break
        add(Choices(*(a + rng.gumbel(size=a.shape) for a in alphas)), "sampled")
    return list(found.values())
