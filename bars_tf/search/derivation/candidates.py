"""From alphas to genotypes within a budget: pure functions of arrays.

The most probable genotype within the budget is found exactly. Its probability is a product over stages and over groups
of cells, its cost a sum over cells (`complexity`). For fixed widths and depths, each group is a small dynamic program
over its nodes whose states keep, for each set of nodes that have inputs, the undominated pairs of cost and probability;
the groups' fronts are joined one by one. Widths and depths are enumerated in the order of the best that they could
reach, until none can do better. A limit of memory, which is no sum, rules out widths and depths, or a group's edges.
"""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import numpy as np

from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import NEARLY_ALL, PEAK, Budget, Cost, CostTables
from bars_tf.errors import FieldError
from bars_tf.search.derivation.pareto import Front, group_front, join
from bars_tf.space.encoding import Choices, depth_grid, genotype_of, one_hot, random_genotype, shapes
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace


class Candidate(NamedTuple):
    """A derived genotype with its cost, and its score by the supernet once there is one."""

    genotype: Genotype
    cost: Cost
    origin: str
    accuracy: float | None = None
    loss: float | None = None


def candidates(alphas: Choices, tables: CostTables, budget: Budget, num_samples: int, seed: int) -> list[Candidate]:
    """The most probable genotype within the budget, then up to `num_samples` sampled ones within it, each `filled`: of
    different networks.

    A sample is the most probable genotype within the budget under alphas with Gumbel noise added (perturb and MAP, our
    choice): always within the budget, whatever share of the space is.
    """
    rng = np.random.default_rng(seed)

    def likely(alphas):
        return filled(most_probable(alphas, tables, budget), alphas, tables, budget)

    first = likely(alphas)
    found = {first.built(): Candidate(first, complexity.cost(first, tables), "most probable")}
    for _ in range(4 * num_samples):
        if len(found) > num_samples:
            break
        sample = likely(Choices(*(a + rng.gumbel(size=a.shape) for a in alphas)))
        found.setdefault(sample.built(), Candidate(sample, complexity.cost(sample, tables), "sampled"))
    return list(found.values())


@functools.lru_cache(maxsize=16)  # of two limits in a large space it takes seconds, and `Supernet.compile` asks again
def check_budget(tables: CostTables, budget: Budget) -> None:
    """Raises: ValueError with the reachable range if no genotype of the space keeps the budget."""
    for name, limit in budget.limits().items():
        smallest, largest = cost_range(tables, name)
        if limit < smallest:
            raise FieldError(name, limit, "is below the smallest network of the space: it reaches from "
                             f"{smallest:.6g} to {largest:.6g}")
    if len(budget.limits()) > 1:
        most_probable(Choices(*map(np.zeros, shapes(tables.space))), tables, budget)


@functools.lru_cache(maxsize=16)
def cost_range(tables: CostTables, name: str) -> tuple[float, float]:
    """The smallest and the largest value of a measure over all genotypes of the space."""
    if name == PEAK:
        return _peak_range(tables)
    extremes = []
    for sign in (-1, 1):  # the largest of minus the cost is minus the smallest
        best, group_bests = -np.inf, {}
        for widths, depths in _macros(tables.space):
            problem = MacroCosts(tables, widths, depths, np.array([complexity.MEASURES[name]]))
            total = sign * problem.fixed[0]
            for group in problem.groups():
                key = problem.key(group)
                if key not in group_bests:
                    # Cost plays the part of the score.
                    front = group_front(tables.space, sign * problem.edges(group)[..., 0],
                                         process_score=sign * problem.process(group)[0])
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


def most_probable(alphas: Choices, tables: CostTables, budget: Budget) -> Genotype:
    """The most probable choices whose genotype keeps the budget, exactly.

    All choices count, those without effect on the network (in cells that are not kept, on edges from nodes without
    inputs) with their own most probable candidate; so without a budget this is the argmax of every choice.

    Raises: ValueError if no genotype keeps the budget.
    """
    space = tables.space
    # Log-probabilities relative to the most probable candidate: 0 for every choice without effect.
    width_scores, depth_scores, edge_scores = (a - a.max(-1, keepdims=True) for a in alphas)
    weights, bounds = budget.sums()
    most_bytes = np.inf if budget.peak_bytes is None else budget.peak_bytes

    def macro_score(macro):
        return sum(width_scores[s, w] + depth_scores[s, d] for s, (w, d) in enumerate(zip(*macro)))

    fronts, best, best_score = {}, None, -np.inf
    for macro in sorted(_macros(space), key=macro_score, reverse=True):
        if macro_score(macro) <= best_score:
            break  # the scores of edges are at most 0
        problem = MacroCosts(tables, *macro, weights)
        if most_bytes < np.inf and problem.peak > most_bytes:
            continue
        front = Front(problem.fixed[None], np.array([macro_score(macro)]), [()])
        for group in problem.groups():
            key = problem.key(group)
            if key not in fronts:
                found = group_front(space, edge_scores[space.groups.index(group)], problem.edges(group),
                                    problem.process(group), bounds, empty=problem.full_peak(group) > most_bytes)
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


def filled(genotype: Genotype, alphas: Choices, tables: CostTables, budget: Budget,
           lowest: float = NEARLY_ALL) -> Genotype:
    """The genotype, or where it takes less than the part `lowest` of the budget, one that grew from it by single
    changes as long as any fitted: each time by the one by which the alphas lose least for what it uses of the limits
    (our choice). Where the budget leaves out no network, nothing grows.

    The most probable network can lie well below the budget, and weights that networks share do not tell what its
    unused part is worth. By the loss alone it would grow by many small convolutions where one large one is better.
    """
    space = genotype.space
    if budget.used(complexity.cost(genotype, tables)) >= lowest or all(
            limit >= cost_range(tables, name)[1] for name, limit in budget.limits().items()):
        return genotype
    picks = [p.argmax(-1) for p in one_hot(genotype)]  # of widths, depths and edges
    kept = {position.group for position in genotype.active_cells()}
    for group, chosen in enumerate(picks[2]):
        if space.groups[group] not in kept:  # of which a genotype says nothing
            chosen[:] = _likely_inputs(space, alphas.edges[group])

    def changes():
        """Networks one change away within the budget that use more of it: the worth of each change, network, picks."""
        before = sum(budget.shares(complexity.cost(genotype, tables)).values())
        for level, index in choices:
            after = [p.copy() for p in picks]
            after[level][index[:-1]] = index[-1]
            if level == 2 and _has_too_many_inputs(space, after[2][index[0]]):
                continue
            changed = genotype_of(space, Choices(*after))
            cost = complexity.cost(changed, tables)
            gain = sum(budget.shares(cost).values()) - before
            if gain > 0 and budget.allows(cost):
                at = alphas[level][index[:-1]]
                yield (at[index[-1]] - at[picks[level][index[:-1]]]) / gain, gain, changed, after

    grid = depth_grid(space)
    choices = [(level, index) for level in range(3) for index in np.ndindex(alphas[level].shape)
               if level != 1 or grid[index] >= 0]
    while found := max(changes(), key=lambda change: change[:2], default=None):
        _, _, genotype, picks = found
    return genotype


def _likely_inputs(space: SearchSpace, alphas: np.ndarray) -> np.ndarray:
    """The most probable primitives [edges] of a group that has an input, by its alphas [edges, primitives]."""
    group = group_front(space, alphas - alphas.max(-1, keepdims=True)).picks[0]
    if not any(group):
        group = (((0, max((name for name in space.primitives if name != "none"),
                          key=lambda name: alphas[0, space.primitives.index(name)])),), *group[1:])
    names = {(source, target): name for target, node in enumerate(group, 1) for source, name in node}
    return np.array([space.primitives.index(names.get(edge, "none")) for edge in space.edges])


def _has_too_many_inputs(space: SearchSpace, chosen: np.ndarray) -> bool:
    if space.most_inputs == space.num_nodes:
        return False
    inputs = np.array([target for _, target in space.edges])[chosen != space.primitives.index("none")]
    return bool(np.bincount(inputs).max(initial=0) > space.most_inputs)


# Networks that are drawn uniformly, and how many of them are near the budget (our choice).
DRAWN, NEAREST = 4096, 1024


@functools.lru_cache(maxsize=2)  # every replica traces the step that draws from them
def drawn_uniformly(tables: CostTables, budget: Budget, seed: int) -> Choices:
    """One-hot choices of widths [N, stages, W], depths [N, stages, D] and edges [N, groups, edges, primitives]: of
    networks drawn uniformly the quarter whose costs are nearest to the budget, as those are what is compared later."""
    rng = np.random.default_rng([seed, 2])
    networks = [random_genotype(tables.space, rng) for _ in range(DRAWN)]
    used = [budget.used(complexity.cost(genotype, tables)) for genotype in networks]
    nearest = np.argsort(np.abs(np.log(np.maximum(used, 1e-9))), kind="stable")[:NEAREST]
    return Choices(*map(np.stack, zip(*(one_hot(networks[i]) for i in nearest))))


def _macros(space):
    """All (widths, depths), as indices."""
    depths = [range(len(space.depths(s))) for s in range(space.num_stages)]
    widths = [range(len(space.width_choices))] * space.num_stages
    return itertools.product(itertools.product(*widths), itertools.product(*depths))


class MacroCosts:
    """The costs of fixed widths and depths (indices), as sums that `weights` [sums, 5] make of the axes of a table."""

    def __init__(self, tables: CostTables, widths, depths, weights: np.ndarray):
        self.tables, self.widths, self.weights = tables, widths, weights.T
        grid = depth_grid(tables.space)
        self.active = [c for c in tables.cells if c.position.depth <= grid[c.position.stage][depths[c.position.stage]]]
        fixed = tables.stem[widths[0]] + tables.head[widths[-1]] + sum(self._at(c, c.fixed) for c in self.active)
        self.fixed = fixed @ self.weights

    @property
    def peak(self) -> float:
        """Bytes of activations without any edge."""
        return max(self.tables.stem[self.widths[0]][-1], self.tables.head[self.widths[-1]][-1],
                   *(self._at(c, c.fixed)[-1] for c in self.active))

    def full_peak(self, group: str) -> float:
        """Those of the cells of a group that has an edge."""
        return max(self._at(c, c.fixed)[-1] + self._at(c, c.process)[-1] for c in self._of(group))

    def _at(self, cell, table):
        return table[self.widths[cell.position.source_stage], self.widths[cell.position.stage]]

    def _of(self, group):
        return [c for c in self.active if c.position.group == group]

    def groups(self):
        return dict.fromkeys(c.position.group for c in self.active)

    def key(self, group):
        return group, tuple((c.position.index, self.widths[c.position.source_stage], self.widths[c.position.stage])
                            for c in self._of(group))

    def edges(self, group):
        """[edges, primitives, limits]"""
        return sum(self._at(c, c.edges) for c in self._of(group)) @ self.weights

    def process(self, group):
        """[limits]"""
        return sum(self._at(c, c.process) for c in self._of(group)) @ self.weights
