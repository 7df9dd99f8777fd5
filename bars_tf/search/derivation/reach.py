"""What costs a space reaches, and whether it has a network within a budget."""

from __future__ import annotations

import functools
import itertools

import numpy as np

from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import MEASURES, PEAK, Cost
from bars_tf.cost.tables import CostTables
from bars_tf.errors import FieldError
from bars_tf.search.derivation.optimum import MacroCosts, macros, most_probable
from bars_tf.search.derivation.pareto import group_front
from bars_tf.space.encoding import Choices, shapes


@functools.lru_cache(maxsize=16)  # of two limits in a large space it takes seconds, and `Supernet.compile` asks again
def check_budget(tables: CostTables, budget: Budget) -> None:
    """Checks that some genotype of the space keeps the budget.

    Raises:
        FieldError: that names the limit and the reachable range, if a single limit is too low.
        ValueError: if no genotype keeps all limits.
    """
    for name, limit in budget.limits().items():
        smallest, largest = cost_range(tables, name)
        if limit < smallest:
            raise FieldError(name, limit, "is below the smallest network of the space: it reaches from "
                             f"{smallest:.6g} to {largest:.6g}")
    if len(budget.limits()) > 1:
        most_probable(Choices(*map(np.zeros, shapes(tables.space))), tables, budget)


@functools.lru_cache(maxsize=16)
def cost_range(tables: CostTables, name: str) -> tuple[float, float]:
    """Returns the smallest and the largest value of a measure (a field of `Budget`) over all genotypes of the space."""
    if name == PEAK:
        return _peak_range(tables)
    extremes = []
    for sign in (-1, 1):  # the largest of minus the cost is minus the smallest
        best, group_bests = -np.inf, {}
        for widths, depths in macros(tables.space):
            costs = MacroCosts(tables, widths, depths, np.array([MEASURES[name]]))
            total = sign * costs.fixed[0]
            for group in costs.groups():
                key = costs.key(group)
                if key not in group_bests:
                    # Cost takes the place of the score.
                    front = group_front(tables.space, sign * costs.edges(group)[..., 0],
                                        process_score=sign * costs.process(group)[0])
                    group_bests[key] = front.scores.max()
                total += group_bests[key]
            best = max(best, total)
        extremes.append(sign * best)
    return extremes[0], extremes[1]


def _peak_range(tables: CostTables) -> tuple[float, float]:
    space, lowest, highest = tables.space, np.inf, -np.inf
    shallow = [0] * space.num_stages  # depths are increasing
    deep = [len(space.depths(s)) - 1 for s in range(space.num_stages)]
    for widths in itertools.product(range(len(space.width_choices)), repeat=space.num_stages):
        least, most = (MacroCosts(tables, widths, depths, np.zeros((0, len(Cost._fields))))
                       for depths in (shallow, deep))
        needed = [] if "none" in space.primitives else least.groups()
        lowest = min(lowest, max([least.peak, *map(least.full_peak, needed)]))
        highest = max(highest, most.peak, *map(most.full_peak, most.groups()))
    return lowest, highest
