"""The most probable genotype within a budget, and the range of costs of a space, found exactly.

The probability of a genotype is a product over stages and over groups of cells, its cost a sum over cells
(`cost.tables`). For fixed widths and depths, each group is a small dynamic program over its nodes
(`pareto.group_front`), and the fronts of cost and probability of the groups are joined one by one. Widths and depths
are enumerated in the order of the best probability that they could reach, until none can do better. A limit of
memory, which is no sum, rules out widths and depths, or the edges of a group.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from bars_tf.cost.budget import Budget
from bars_tf.cost.features import Features
from bars_tf.cost.measures import MEASURES, PEAK, UNITS, Cost
from bars_tf.cost.tables import CellCosts, CostTables
from bars_tf.errors import FieldError
from bars_tf.search.derivation.pareto import Front, group_front, join
from bars_tf.space.encoding import Choices, depth_grid, shapes
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace

# Indices [stages] of widths and of depths.
Macro = tuple[tuple[int, ...], tuple[int, ...]]


def most_probable(alphas: Choices, tables: CostTables, budget: Budget) -> Genotype:
    """Returns the most probable choices whose genotype keeps the budget, exactly.

    All choices count: those without effect on the network (in cells that are not kept, on edges from nodes without
    inputs) with their own most probable candidate. So without a budget this is the argmax of every choice.

    Raises: ValueError if no genotype keeps the budget.
    """
    space = tables.space
    # Log-probabilities relative to the most probable candidate: 0 for every choice without effect.
    scores = Choices(*(a - a.max(-1, keepdims=True) for a in alphas))
    weights, bounds = budget.sums()
    most_bytes = np.inf if budget.peak_bytes is None else budget.peak_bytes

    def macro_score(macro: Macro) -> float:
        return sum(scores.widths[s, w] + scores.depths[s, d] for s, (w, d) in enumerate(zip(*macro)))

    fronts, best, best_score = {}, None, -np.inf
    for macro in sorted(macros(space), key=macro_score, reverse=True):
        if macro_score(macro) <= best_score:
            break  # the scores of edges are at most 0
        costs = MacroCosts(tables, *macro, weights)
        if most_bytes < np.inf and costs.peak > most_bytes:
            continue
        front = Front(costs.fixed[None], np.array([macro_score(macro)]), [()])
        for group in costs.groups():
            key = costs.key(group)
            if key not in fronts:
                found = group_front(tables.features, edge_scores(scores.edges[space.groups.index(group)],
                                                                 tables.features),
                                    costs.terms(group), bounds, empty=costs.full_peak(group) > most_bytes)
                fronts[key] = found._replace(picks=[((group, topology),) for topology in found.picks])
            front = join(front, fronts[key], bounds)
        within = np.flatnonzero(np.all(front.costs <= bounds, axis=1))
        if len(within) and front.scores[within].max() > best_score:
            i = within[front.scores[within].argmax()]
            best_score, best = front.scores[i], (*macro, dict(front.picks[i]))
    if best is None:
        limits = ", ".join(f"{name}={limit:g}" for name, limit in budget.limits().items())
        raise ValueError(f"no genotype of the space keeps the budget {limits}")
    widths, depths, picks = best
    return Genotype(space, tuple(space.width_choices[w] for w in widths),
                    tuple(space.depths(s)[d] for s, d in enumerate(depths)),
                    tuple(picks.get(group, ((),) * space.num_nodes) for group in space.groups))


def edge_scores(scores: np.ndarray, features: Features) -> np.ndarray:
    """The scores of all features [features], from those of primitives [edges, primitives]."""
    return np.append(scores.reshape(-1), np.zeros(features.size - scores.size))


def macros(space: SearchSpace) -> Iterator[Macro]:
    """Returns all combinations of widths and depths of a space."""
    depths = [range(len(space.depths(s))) for s in range(space.num_stages)]
    widths = [range(len(space.width_choices))] * space.num_stages
    return itertools.product(itertools.product(*widths), itertools.product(*depths))


class MacroCosts:
    """The costs of topologies under fixed widths and depths (indices [stages]), as weighted sums of the axes of the
    tables, with weights [sums, fields] as in `Budget.sums`."""

    def __init__(self, tables: CostTables, widths: Sequence[int], depths: Sequence[int], weights: np.ndarray):
        self.tables, self.widths, self.weights = tables, widths, weights.T
        grid = depth_grid(tables.space)
        self.active = [c for c in tables.cells if c.position.depth <= grid[c.position.stage][depths[c.position.stage]]]
        fixed = tables.stem[widths[0]] + tables.head[widths[-1]] + sum(self._at(c, c.fixed) for c in self.active)
        self.fixed: np.ndarray = fixed @ self.weights  # costs [sums] without any edge

    @property
    def peak(self) -> float:
        """Bytes of activations without any edge."""
        return max(self.tables.stem[self.widths[0]][-1], self.tables.head[self.widths[-1]][-1],
                   *(self._at(c, c.fixed)[-1] for c in self.active))

    def full_peak(self, group: str) -> float:
        """Returns the bytes of activations of the cells of a group that has an edge."""
        place = self.tables.features.num_edges  # of the number of nodes with an input: all numbers take the same
        return max(self._at(c, c.fixed)[-1] + self._at(c, c.terms)[place, -1] for c in self._of(group))

    def groups(self) -> Iterable[str]:
        """Returns the groups of the kept cells, in order."""
        return dict.fromkeys(c.position.group for c in self.active)

    def key(self, group: str) -> tuple:
        """Returns what the costs of a group depend on: its kept cells and their widths."""
        return group, tuple((c.position.index, self.widths[c.position.source_stage], self.widths[c.position.stage])
                            for c in self._of(group))

    def terms(self, group: str) -> np.ndarray:
        """Returns the costs of the features of a group's topology [features, sums]."""
        return sum(self._at(c, c.terms) for c in self._of(group)) @ self.weights

    def _at(self, cell: CellCosts, table: np.ndarray) -> np.ndarray:
        return table[self.widths[cell.position.source_stage], self.widths[cell.position.stage]]

    def _of(self, group: str) -> list[CellCosts]:
        return [c for c in self.active if c.position.group == group]


@functools.lru_cache(maxsize=16)  # of two limits in a large space it takes seconds, and `Supernet.compile` asks again
def check_budget(tables: CostTables, budget: Budget) -> None:
    """Raises FieldError with the reachable range of a limit that no genotype keeps, ValueError if none keeps all."""
    for name, limit in budget.limits().items():
        smallest, largest = cost_range(tables, name)
        if limit < smallest:
            raise FieldError(name, limit, "is below the smallest network of the space: it reaches from "
                             f"{smallest:.6g} to {largest:.6g} {UNITS[name]}")
    if len(budget.limits()) > 1:
        most_probable(Choices(*map(np.zeros, shapes(tables.space))), tables, budget)


@functools.lru_cache(maxsize=16)
def cost_range(tables: CostTables, name: str) -> tuple[float, float]:
    """Returns the smallest and the largest value of a measure (a field of `Budget`) over all genotypes of the space."""
    if name == PEAK:
        return _peak_range(tables)
    best, group_bests = {-1: -np.inf, 1: -np.inf}, {}
    for widths, depths in macros(tables.space):
        costs = MacroCosts(tables, widths, depths, np.array([MEASURES[name]]))
        for sign in best:  # the largest of minus the cost is minus the smallest
            total = sign * costs.fixed[0]
            for group in costs.groups():
                key = sign, costs.key(group)
                if key not in group_bests:  # cost takes the place of the score
                    scores = sign * costs.terms(group)[:, 0]
                    group_bests[key] = group_front(tables.features, scores).scores.max()
                total += group_bests[key]
            best[sign] = max(best[sign], total)
    return -best[-1], best[1]


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
