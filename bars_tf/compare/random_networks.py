"""Random networks that use nearly all of a budget: the control of every search.

No library draws uniformly from the networks of a space whose cost lies in a band, so this is our own.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bars_tf.cost import input_limit
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import CostTables, cost_of
from bars_tf.search.derivation import candidates, evolution, optimum
from bars_tf.space import backbones
from bars_tf.space.encoding import Choices, genotype_of, shapes
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace

LOWEST = 0.95  # fraction of the budget; the band reaches from there to 1
BATCH = 256  # topologies drawn at once
PATIENCE = 64  # batches without a network in the band, after which other widths and depths are drawn
WALK = 500  # proposed steps of a walk from one network to the next
# Limits without a new network: combinations of widths and depths drawn in a row, and given up in a row (on a walk,
# `WALK` steps count as one).
MOST_MACROS, MOST_GIVEN_UP = 10_000, 100


class Draws(NamedTuple):
    """Random networks, and how they were found.

    Of the `macros`, combinations of widths and depths that were drawn, the bounds of their cost did not rule out
    `reachable` ones, for which all `topologies` were drawn; `given_up` of them had no network in the band among
    `PATIENCE` batches. On a walk, `topologies` counts the proposed steps, and `reachable` the accepted ones.
    """

    genotypes: list[Genotype]
    macros: int
    reachable: int
    given_up: int
    topologies: int
    is_walk: bool = False

    @property
    def acceptance(self) -> float:
        """The fraction of topologies, or of proposed steps, that lay in the band."""
        return (self.reachable - self.given_up) / max(1, self.topologies)

    def to_dict(self) -> dict[str, float]:
        """All but the networks, as `compare.json` has it."""
        counts = {name: value for name, value in self._asdict().items() if name != "genotypes"}
        return {"lowest_part_of_budget": LOWEST, **counts, "acceptance": self.acceptance}


def draw(tables: CostTables, budget: Budget, count: int, seed: int) -> Draws:
    """Draws `count` different networks that keep a budget and use at least `LOWEST` of it.

    A larger number begins with the same networks. Widths and depths are uniform among those with a network in this
    band; then topologies are uniform among those that bring the cost there, by rejection (of more inputs of a node than
    the space keeps, a random subset stays). Beside a backbone hardly any topology is so small: there a random walk
    finds them.

    Raises: ValueError if the space has fewer networks in the band, or too few to be found.
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
            picks = _picks(space, rng)
            if costs.too_large.any():
                picks[:, costs.too_large] = space.primitives.index("none")
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


def _walk(tables: CostTables, budget: Budget, count: int, rng: np.random.Generator) -> Draws:
    """Networks along a walk whose steps are mutations that stay in the band: nearly uniform among all in the band."""
    here, found, accepted, proposed, failures = backbones.backbone(tables.space), {}, 0, 0, 0
    alphas = Choices(*map(rng.random, shapes(tables.space)))

    def inside(genotype: Genotype) -> bool:
        return LOWEST <= budget.used(cost_of(genotype, tables)) <= 1

    while len(found) < count and failures < MOST_GIVEN_UP:
        here = candidates.grow_to_budget(here, alphas, tables, budget, LOWEST)
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
    ranges = {name: optimum.cost_range(tables, name) for name in budget.limits()}
    reach = ", ".join(f"{name} from {low:,.0f} to {high:,.0f}" for name, (low, high) in ranges.items())
    return (f"random draws find {found} of {count} different networks at {LOWEST:.0%} to 100% of the budget; the space "
            f"reaches {reach}, with too few networks in that band")


class _TopologyCosts:
    """Costs of all topologies under fixed widths and depths (indices [stages]), as fractions of the limits."""

    def __init__(self, tables: CostTables, budget: Budget, widths: Sequence[int], depths: Sequence[int]):
        space = self.space = tables.space
        weights, limits = budget.sums()
        macro = optimum.MacroCosts(tables, widths, depths, weights / limits[:, None])
        self.fixed = macro.fixed
        # Memory is a maximum: of the network without edges, and of the groups of cells that have any. In some groups
        # any edge exceeds its limit.
        most_bytes = budget.peak_bytes or np.inf
        self.peak = macro.peak / most_bytes
        self.peaks = np.zeros(len(space.groups))
        self.features = tables.features
        self.terms = np.zeros((len(space.groups), self.features.size, len(limits)))
        for name in macro.groups():
            group = space.groups.index(name)
            self.terms[group] = macro.terms(name)
            self.peaks[group] = macro.full_peak(name) / most_bytes
        self.too_large = self.peaks > 1

    def reach(self) -> bool:
        """Whether the bounds of the cost leave room for a topology in the band."""
        if max(self.peak, *self.fixed, 0) > 1 or self.too_large.any() and "none" not in self.space.primitives:
            return False
        some, features = ~self.too_large, self.features
        edges = self.terms[:, :features.num_edges].reshape(
            len(self.space.groups), len(self.space.edges), len(self.space.primitives), self.terms.shape[-1])
        most = self.fixed + edges.max(2).sum((0, 1)) + self.terms[some, features.num_edges:features.further].max(
            1).sum(0) + len(self.space.edges) * self.terms[:, features.further].sum(0) + self.terms[
                :, features.further + 1:].sum((0, 1))
        return bool(max(most, default=max(self.peak, *self.peaks[some], 0)) >= LOWEST)

    def used(self, picks: np.ndarray) -> np.ndarray:
        """The fraction of the budget [B] that topologies use, given as indices of primitives [B, groups, edges]."""
        one_hot = np.eye(len(self.space.primitives))[picks]
        count, groups = picks.shape[:2]
        found = self.features.expected(one_hot.reshape(count * groups, *one_hot.shape[2:])).reshape(count, groups, -1)
        any_active = found[..., self.features.num_edges:self.features.further].sum(-1)
        sums = self.fixed + np.einsum("bgf,gfl->bl", found, self.terms, optimize=True)
        peak = (any_active * self.peaks).max(1, initial=self.peak)
        return np.maximum(sums.max(1), np.where(peak > 1, peak, 0)) if sums.shape[1] else peak  # as in `Budget.used`


def _picks(space: SearchSpace, rng: np.random.Generator) -> np.ndarray:
    """Uniform topologies as indices of primitives [BATCH, groups, edges]; "none" where a node has too many inputs."""
    picks = rng.integers(len(space.primitives), size=(BATCH, len(space.groups), len(space.edges)))
    if input_limit.is_limited(space):
        none = space.primitives.index("none")
        order = np.where(picks == none, 2.0, rng.random(picks.shape))  # "none" behind all others
        for target in range(1, space.num_nodes + 1):
            edges = [space.edges.index((source, target)) for source in range(target)]
            rank = order[..., edges].argsort(-1).argsort(-1)
            picks[..., edges] = np.where(rank < space.most_inputs, picks[..., edges], none)
    return picks
