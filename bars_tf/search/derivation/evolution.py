"""Evolution over the genotypes of a budget: children of those with the best scores so far.

The alphas rate every edge by itself; the trained supernet can score whole networks. Evolution looks for better ones at
the same cost (as SPOS, arXiv 1904.00420). It serves families of budgets, where a larger network scores below a smaller
one, and random walks; as a search over one budget it lost here, see `CHANGELOG.md`.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from bars_tf.cost.budget import NEARLY_ALL, Budget
from bars_tf.cost.part_costs import CostTables, cost_of
from bars_tf.space.genotype import Genotype

PARENTS = 8
TRIES = 400


def child(scored: Sequence[Genotype], seen: Collection[Genotype], tables: CostTables, budget: Budget,
          rng: np.random.Generator) -> Genotype | None:
    """Returns a new genotype within the budget, one that uses `NEARLY_ALL` of it if `TRIES` draws have one, or None.

    The first `PARENTS` of the genotypes `scored`, the best first, have children; those in `seen` and others of the same
    networks are not new.
    """
    parents, smaller, known = list(scored[:PARENTS]), None, {genotype.canonical() for genotype in seen}
    for _ in range(TRIES):
        first, second = (parents[rng.integers(len(parents))] for _ in range(2))
        found = mutated(crossed(first, second, rng), rng)
        if found.canonical() in known or not budget.allows(cost := cost_of(found, tables)):
            continue
        if budget.used(cost) >= NEARLY_ALL:
            return found
        smaller = smaller or found
    return smaller


def moved_to_budget(genotype: Genotype, tables: CostTables, budget: Budget, rng: np.random.Generator) -> Genotype:
    """Returns a genotype within the budget that uses `NEARLY_ALL` of it, by random mutations that come nearer to that.

    Where the space has no such network, or `TRIES` mutations find none, it is the nearest one of them.
    """
    def distance(found: Genotype) -> float:
        used = budget.used(cost_of(found, tables))
        return 0.0 if NEARLY_ALL <= used <= 1 else abs(math.log(max(used, 1e-9)))

    here = distance(genotype)
    for _ in range(TRIES):
        if not here:
            break
        following = mutated(genotype, rng)
        if (there := distance(following)) <= here:
            genotype, here = following, there
    return genotype


def crossed(first: Genotype, second: Genotype, rng: np.random.Generator) -> Genotype:
    """Returns a genotype with the width and depth of each stage and the topology of each group of either of two."""
    def pick(ones: Sequence, others: Sequence) -> tuple:
        return tuple(a if rng.integers(2) else b for a, b in zip(ones, others))

    stages = pick(list(zip(first.widths, first.depths)), list(zip(second.widths, second.depths)))
    return Genotype(first.space, tuple(w for w, _ in stages), tuple(d for _, d in stages),
                    pick(first.topologies, second.topologies))


def mutated(genotype: Genotype, rng: np.random.Generator) -> Genotype:
    """Returns a genotype with one to three choices drawn anew: widths or depths of stages, or primitives of edges."""
    space = genotype.space
    widths, depths = list(genotype.widths), list(genotype.depths)
    topologies = [[dict(node) for node in topology] for topology in genotype.topologies]

    def pick(options: Sequence) -> Any:
        return options[int(rng.integers(len(options)))]

    kinds = ["edge", "edge"] + ["width"] * (len(space.width_choices) > 1) + ["depth"] * any(
        len(space.depths(s)) > 1 for s in range(space.num_stages))
    for _ in range(rng.integers(1, 4)):
        kind, stage = pick(kinds), int(rng.integers(space.num_stages))
        if kind == "width":
            widths[stage] = pick(space.width_choices)
        elif kind == "depth":
            depths[stage] = pick(space.depths(stage))
        else:
            source, target = pick(space.edges)
            node = topologies[rng.integers(len(topologies))][target - 1]
            node.pop(source, None)
            if (primitive := pick(space.primitives)) != "none":
                if len(node) >= space.most_inputs:
                    node.pop(pick(sorted(node)))
                node[source] = primitive
    if "none" not in space.primitives:  # cells that a depth brings back have no edges yet
        for source, target in space.edges:
            for topology in topologies:
                topology[target - 1].setdefault(source, pick(space.primitives))
    return Genotype(space, tuple(widths), tuple(depths),
                    tuple(tuple(tuple(sorted(node.items())) for node in topology) for topology in topologies))
