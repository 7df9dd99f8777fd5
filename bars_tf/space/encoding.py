"""The choices of a space as arrays, and genotypes made of them."""

from typing import Any, NamedTuple

import numpy as np

from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace


class Choices(NamedTuple):
    """One value for every choice of a space: logits, probabilities, one-hot rows, or without the last axis indices.

    Arrays or tensors. Stages with fewer depths than others are padded to D, see `depth_grid`.

    Attributes:
        widths: [stages, W], by `space.width_choices`.
        depths: [stages, D], by `depth_grid(space)`.
        edges: [groups, edges, primitives], by `space.groups`, `space.edges` and `space.primitives`.
    """

    widths: Any
    depths: Any
    edges: Any


def shapes(space: SearchSpace) -> Choices:
    """The shapes of the three arrays of a space."""
    return Choices((space.num_stages, len(space.width_choices)), depth_grid(space).shape,
                   (len(space.groups), len(space.edges), len(space.primitives)))


def depth_grid(space: SearchSpace) -> np.ndarray:
    """The depth choices of all stages [stages, D], padded with -1 where a stage has fewer than others."""
    depths = [space.depths(stage) for stage in range(space.num_stages)]
    longest = max(map(len, depths))
    return np.array([[*row, *[-1] * (longest - len(row))] for row in depths])


def one_hot(genotype: Genotype) -> Choices:
    """The choices of a genotype as rows with a single 1; a group that it does not use has "none" on every edge."""
    space = genotype.space
    widths = np.array([[float(width == choice) for choice in space.width_choices] for width in genotype.widths])
    depths = (np.array(genotype.depths)[:, None] == depth_grid(space)).astype(np.float64)
    edges = np.zeros(shapes(space).edges)
    if "none" in space.primitives:
        edges[:, :, space.primitives.index("none")] = 1
    for group, chosen in enumerate(chosen_edges(genotype)):
        for edge, primitive in chosen:
            edges[group, edge] = np.arange(len(space.primitives)) == primitive
    return Choices(widths, depths, edges)


def chosen_edges(genotype: Genotype) -> list[list[tuple[int, int]]]:
    """The edges of a genotype, each from a node that has an input: (edge, primitive) indices for each group."""
    edges, primitives = genotype.space.edges, genotype.space.primitives
    return [[(edges.index((source, target)), primitives.index(primitive))
             for target, node in enumerate(topology, 1) for source, primitive in node]
            for topology in genotype.topologies]


def genotype_of(space: SearchSpace, indices: Choices) -> Genotype:
    """The genotype of indices: widths [stages], depths [stages], edges [groups, edges]."""
    names = [{edge: space.primitives[k] for edge, k in zip(space.edges, group)} for group in indices.edges]
    topologies = tuple(
        tuple(tuple((source, name) for source in range(target) if (name := chosen[source, target]) != "none")
              for target in range(1, space.num_nodes + 1)) for chosen in names)
    return Genotype(space, tuple(space.width_choices[w] for w in indices.widths),
                    tuple(space.depths(stage)[d] for stage, d in enumerate(indices.depths)), topologies)


def random_genotype(space: SearchSpace, rng: np.random.Generator) -> Genotype:
    """A genotype with every choice drawn uniformly; of more inputs than a node keeps, a random subset stays."""
    def pick(options):
        return options[rng.integers(len(options))]

    def inputs(node):
        drawn = [(i, p) for i in range(node) if (p := pick(space.primitives)) != "none"]
        if len(drawn) > space.most_inputs:
            drawn = [drawn[i] for i in sorted(rng.choice(len(drawn), space.most_inputs, replace=False))]
        return tuple(drawn)

    topologies = tuple(tuple(inputs(node) for node in range(1, space.num_nodes + 1)) for _ in space.groups)
    return Genotype(space, tuple(pick(space.width_choices) for _ in range(space.num_stages)),
                    tuple(pick(space.depths(s)) for s in range(space.num_stages)), topologies)
