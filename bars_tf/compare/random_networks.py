"""Random networks that take nearly all of a budget: what a search has to be better than."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bars_tf.cost.budget import Budget
from bars_tf.cost.expected import activity
from bars_tf.cost.tables import CostTables, cost_of
from bars_tf.search.derivation import evolution
from bars_tf.search.derivation.growth import grow_to_budget
from bars_tf.search.derivation.optimum import MacroCosts
from bars_tf.search.derivation.reach import cost_range
from bars_tf.space import backbones
from bars_tf.space.encoding import Choices, genotype_of, shapes
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace

LOWEST = 0.95  # part of the budget
BATCH = 256  # topologies that are drawn at once
# After so many batches without a network in the band, other widths and depths are drawn.
PATIENCE = 64
# In a row, without a new network: of those drawn, and of those given up (of a walk, parts of `WALK` steps).
MOST_MACROS, MOST_GIVEN_UP = 10_000, 100


class Draws(NamedTuple):
    """Random networks, and how they were found.

    Attributes:
        macros: combinations of widths and depths that were drawn; `reachable`: those of them that the bounds of their
            cost did not rule out; `given_up`: of these, those without a network in the band after many topologies.
        topologies: sets of topologies that were drawn for the reachable ones.
        is_walk: whether they are of a walk: `topologies` then are its proposed steps, `reachable` those taken.
        acceptance: the part of these that lay in the band, given-up combinations included.
    """

    genotypes: list[Genotype]
    macros: int
    reachable: int
    given_up: int
    topologies: int
    is_walk: bool = False

    @property
    def acceptance(self) -> float:
        return (self.reachable - self.given_up) / max(1, self.topologies)

    def to_dict(self) -> dict[str, float]:
        counts = {name: value for name, value in self._asdict().items() if name != "genotypes"}
        return {"lowest_part_of_budget": LOWEST, **counts, "acceptance": self.acceptance}


def draw(tables: CostTables, budget: Budget, count: int, seed: int) -> Draws:
    """Different networks within the budget, whose nearest limit is used to 95 % at least.

    Widths and depths are drawn uniformly from those with a network there; then the topologies uniformly from those that
    bring the cost there, by rejection (of more inputs of a node than the space keeps any stay). More networks under the
    same seed begin with the same ones. With a backbone, beside which next to no topology is so small, they are found by
    a random walk.

    Raises: ValueError if the space has none, or fewer than `count`.
    """
    rng = np.random.default_rng(seed)
    space, found = tables.space, {}
    if space.backbone:
        return _walk(tables, budget, count, rng)
    macros = reachable = given_up = topologies = since = failures = 0
    while len(found) < count:
        if since == MOST_MACROS or failures == MOST_GIVEN_UP:
            raise ValueError(_too_few(tables, budget, len(found), count))
        macros, since = macros + 1, since + 1
        widths = rng.integers(len(space.width_choices), size=space.num_stages)
        depths = [rng.integers(len(space.depths(s))) for s in range(space.num_stages)]
        costs = _TopologyCosts(tables, budget, widths, depths)
        if not costs.reach():
            continue
        reachable += 1
        for _ in range(PATIENCE):
            picks = costs.without_too_large(_picks(space, rng))
            used = costs.used(picks)
            inside = np.flatnonzero((used >= LOWEST) & (used <= 1))
            if len(inside):
                topologies += int(inside[0]) + 1
                genotype = genotype_of(space, Choices(widths, depths, picks[inside[0]]))
                if genotype.canonical() not in found:
                    found[genotype.canonical()], since, failures = genotype, 0, 0
                break
            topologies += BATCH
        else:
            given_up, failures = given_up + 1, failures + 1
    return Draws(list(found.values()), macros, reachable, given_up, topologies)


WALK = 500  # proposed steps from one network to the next


def _walk(tables: CostTables, budget: Budget, count: int, rng: np.random.Generator) -> Draws:
    """Networks along a walk whose steps are mutations that stay in the band: about uniform among all that lie there."""
    here, found, accepted, proposed, failures = backbones.backbone(tables.space), {}, 0, 0, 0

    alphas = Choices(*map(rng.random, shapes(tables.space)))

    def inside(genotype):
        return LOWEST <= budget.used(cost_of(genotype, tables)) <= 1

    while len(found) < count and failures < MOST_GIVEN_UP:
        here = grow_to_budget(here, alphas, tables, budget, LOWEST)
        for _ in range(WALK):
            proposed += 1
            following = evolution.mutated(here, rng)
            if inside(following):
                here, accepted = following, accepted + 1
        failures += 1
        if inside(here) and here.canonical() not in found:
            found[here.canonical()], failures = here, 0
    if len(found) < count:
        raise ValueError(_too_few(tables, budget, len(found), count))
    return Draws(list(found.values()), 1, accepted, 0, proposed, is_walk=True)


def _too_few(tables: CostTables, budget: Budget, found: int, count: int) -> str:
    ranges = {name: cost_range(tables, name) for name in budget.limits()}
    reach = ", ".join(f"{name} from {low:,.0f} to {high:,.0f}" for name, (low, high) in ranges.items())
    return (f"random draws find {found} of {count} different networks at {LOWEST:.0%} to 100% of the budget; the space "
            f"reaches {reach}, with too few networks just there")


class _TopologyCosts:
    """Costs of all topologies under given widths and depths (indices), as parts of the limits of a budget."""

    def __init__(self, tables: CostTables, budget: Budget, widths, depths):
        space = self.space = tables.space
        weights, limits = budget.sums()
        macro = MacroCosts(tables, widths, depths, weights / limits[:, None])
        self.fixed = macro.fixed
        # Memory is the largest of the parts: of those without edges, and of the groups of cells that have any.
        most_bytes = budget.peak_bytes or np.inf
        self.peak = macro.peak / most_bytes
        self.peaks = np.zeros(len(space.groups))
        self.process = np.zeros((len(space.groups), len(limits)))
        self.edges = np.zeros((len(space.groups), len(space.edges), len(space.primitives), len(limits)))
        for name in macro.groups():
            group = space.groups.index(name)
            self.process[group], self.edges[group] = macro.process(name), macro.edges(name)
            self.peaks[group] = macro.full_peak(name) / most_bytes

    def reach(self) -> bool:
        """False where no topology can bring the cost to `LOWEST` of the budget."""
        if max(self.peak, *self.fixed, 0) > 1 or self.too_large.any() and "none" not in self.space.primitives:
            return False
        some = ~self.too_large
        most = self.fixed + self.process[some].sum(0) + self.edges[some].max(2).sum((0, 1))
        return bool(max(most, default=max(self.peak, *self.peaks[some], 0)) >= LOWEST)

    def used(self, picks: np.ndarray) -> np.ndarray:
        """The part of the budget that is used by topologies [B, groups, edges], as indices of primitives."""
        one_hot = np.eye(len(self.space.primitives))[picks]
        count, groups = picks.shape[:2]
        active, any_active = activity(self.space, one_hot.reshape(count * groups, *one_hot.shape[2:]), np)
        cost = np.einsum("bgek,gekl->bl", active.reshape(one_hot.shape), self.edges, optimize=True)
        any_active = any_active.reshape(count, groups)
        sums = self.fixed + cost + any_active @ self.process
        peak = (any_active * self.peaks).max(1, initial=self.peak)
        return np.maximum(sums.max(1), np.where(peak > 1, peak, 0)) if sums.shape[1] else peak  # as in `Budget.used`

    @property
    def too_large(self) -> np.ndarray:
        """The groups that no edge of theirs would keep the budget of memory [groups]."""
        return self.peaks > 1

    def without_too_large(self, picks: np.ndarray) -> np.ndarray:
        """Topologies [B, groups, edges] without edges in those groups."""
        if self.too_large.any():
            picks[:, self.too_large] = self.space.primitives.index("none")
        return picks


def _picks(space: SearchSpace, rng: np.random.Generator) -> np.ndarray:
    """Topologies [BATCH, groups, edges], as indices of primitives, each drawn uniformly; none for those beyond the
    inputs that a node keeps."""
    picks = rng.integers(len(space.primitives), size=(BATCH, len(space.groups), len(space.edges)))
    if space.most_inputs < space.num_nodes:
        none = space.primitives.index("none")
        order = np.where(picks == none, 2.0, rng.random(picks.shape))  # "none" behind all others
        for target in range(1, space.num_nodes + 1):
            edges = [space.edges.index((source, target)) for source in range(target)]
            rank = order[..., edges].argsort(-1).argsort(-1)
            picks[..., edges] = np.where(rank < space.most_inputs, picks[..., edges], none)
    return picks
