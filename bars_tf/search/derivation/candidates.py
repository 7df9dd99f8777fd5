"""Candidates: the genotypes within a budget that alphas propose, and their growth where they leave much of it unused.

The most probable network can lie well below the budget, and shared weights do not say what the unused part is worth. By
the loss of probability alone it would grow by many small convolutions where one large one is better.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bars_tf.cost.budget import NEARLY_ALL, Budget
from bars_tf.cost.features import Features
from bars_tf.cost.measures import Cost
from bars_tf.cost.part_costs import CostTables, cost_of
from bars_tf.search.derivation.optimum import cost_range, edge_scores, most_probable
from bars_tf.search.derivation.pareto import group_front
from bars_tf.space.encoding import Choices, depth_grid, genotype_of, one_hot
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace


class Candidate(NamedTuple):
    """A derived genotype with its exact cost and its score by the supernet, which is None before it is scored."""

    genotype: Genotype
    cost: Cost
    origin: str  # "most probable", "sampled", "uniform", "grown" (from a smaller budget) or "evolved"
    accuracy: float | None = None
    loss: float | None = None


def candidates(alphas: Choices, tables: CostTables, budget: Budget, num_samples: int, seed: int) -> list[Candidate]:
    """Returns the most probable genotype within the budget, then samples within it, each grown (`grow_to_budget`).

    A sample is the most probable genotype within the budget under alphas with Gumbel noise added (perturb and MAP, our
    choice): always within the budget, whatever fraction of the space is.

    Fewer than `num_samples` samples come where 4 times as many draws have no more different networks. Those of
    `uniform_networks` follow, grown too, so that a search knows what one would make without it.

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
    for uniform in uniform_networks(tables, budget):
        genotype = grow_to_budget(uniform, alphas, tables, budget)
        found.setdefault(genotype.canonical(), Candidate(genotype, cost_of(genotype, tables), "uniform"))
    return list(found.values())


def uniform_networks(tables: CostTables, budget: Budget) -> Iterator[Genotype]:
    """The networks that one would make by hand: for each depth the same convolution on every edge of each normal cell,
    as wide as the budget allows in stages whose width choices are equal or neighbours (our choice).

    Cells that open a stage have the convolution too, unless a transition does their work. Spaces of a backbone have no
    such networks.
    """
    space, usual = tables.space, "bin_conv_3x3"
    if space.backbone or not space.convolutions():
        return
    primitive = usual if usual in space.convolutions() else space.convolutions()[0]
    normal = tuple(tuple((source, primitive) for source in range(target)[-space.most_inputs:])
                   for target in range(1, space.num_nodes + 1))
    has_transition = space.reduction_shortcut == "transition" and "none" in space.primitives
    opening = ((),) * space.num_nodes if has_transition else normal
    topologies = {p.group: opening if p.opens_stage else normal for p in space.cells()}
    pairs = itertools.pairwise((*space.width_choices, space.width_choices[-1]))
    widths = {w for pair in pairs for w in itertools.product(pair, repeat=space.num_stages)}
    for depth in range(1, max(len(space.chain(stage)) for stage in range(space.num_stages)) + 1):
        depths = tuple(min(depth, len(space.chain(stage))) for stage in range(space.num_stages))
        if all(d in space.depths(stage) for stage, d in enumerate(depths)):
            made = [Genotype(space, w, depths, tuple(topologies[group] for group in space.groups)) for w in widths]
            found = [(budget.used(cost), cost.ops, genotype.widths, genotype) for genotype in made
                     if budget.allows(cost := cost_of(genotype, tables))]
            if found:
                yield max(found, key=lambda entry: entry[:3])[-1]


def grow_to_budget(genotype: Genotype, alphas: Choices, tables: CostTables, budget: Budget,
                   lowest: float = NEARLY_ALL) -> Genotype:
    """Below `lowest` of the budget, greedily applies the change with the smallest loss of log-probability per fraction
    of budget gained, until none fits (our choice).

    A change sets one width, one depth, or the primitive of one edge. Its worth is (alpha of the new candidate - alpha
    of the old one) / gain, its gain the sum over the limits of the fractions that it adds. Where the budget leaves out
    no network of the space, nothing grows.
    """
    space = genotype.space
    if budget.used(cost_of(genotype, tables)) >= lowest or all(
            limit >= cost_range(tables, name)[1] for name, limit in budget.limits().items()):
        return genotype
    picks = Choices(*(rows.argmax(-1) for rows in one_hot(genotype)))
    kept = {position.group for position in genotype.active_cells()}
    for group, chosen in enumerate(picks.edges):
        if space.groups[group] not in kept:  # of which a genotype says nothing
            chosen[:] = _likely_inputs(space, alphas.edges[group])
    while found := max(_changes(genotype, picks, alphas, tables, budget), key=lambda change: change[:2], default=None):
        _, _, genotype, picks = found
    return genotype


def _changes(genotype: Genotype, picks: Choices, alphas: Choices, tables: CostTables,
             budget: Budget) -> Iterator[tuple[float, float, Genotype, Choices]]:
    """The networks within the budget that are one change away and use more of it: worth, gain, network, its indices."""
    space, grid = genotype.space, depth_grid(genotype.space)
    before = sum(budget.fractions(cost_of(genotype, tables)).values())
    targets, none = np.array(space.edges)[:, 1], space.primitives.index("none") if "none" in space.primitives else -1
    for level, logits in enumerate(alphas):
        for *place, candidate in np.ndindex(logits.shape):
            at = tuple(place)
            if level == 1 and grid[at + (candidate,)] < 0:
                continue
            changed = Choices(*(p.copy() for p in picks))
            changed[level][at] = candidate
            if level == 2 and np.bincount(targets[changed.edges[at[0]] != none]).max(initial=0) > space.most_inputs:
                continue
            network = genotype_of(space, changed)
            cost = cost_of(network, tables)
            gain = sum(budget.fractions(cost).values()) - before
            if gain > 0 and budget.allows(cost):
                yield (logits[at][candidate] - logits[at][picks[level][at]]) / gain, gain, network, changed


def _likely_inputs(space: SearchSpace, alphas: np.ndarray) -> np.ndarray:
    """The most probable primitives [edges] of a group that has an input, by its alphas [edges, primitives]."""
    features = Features(space)
    group = group_front(features, edge_scores(alphas - alphas.max(-1, keepdims=True), features)).picks[0]
    if not any(group):
        group = (((0, max((name for name in space.primitives if name != "none"),
                          key=lambda name: alphas[0, space.primitives.index(name)])),), *group[1:])
    names = {(source, target): name for target, node in enumerate(group, 1) for source, name in node}
    return np.array([space.primitives.index(names.get(edge, "none")) for edge in space.edges])
