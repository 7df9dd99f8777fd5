"""Small search spaces of every kind, and random or all choices of a space."""

import itertools

import numpy as np

from bars_tf.cost.device import Constants, Device
from bars_tf.cost.operation import KINDS
from bars_tf.space import presets
from bars_tf.space.encoding import Choices, depth_grid, genotype_of, random_genotype, shapes
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_PAPER
from bars_tf.space.primitives import PRIMITIVES

ALL_PRIMITIVES = tuple(PRIMITIVES)
SMALL = BARS_PAPER.replace(init_channels=8, layout="NRNRN", num_nodes=2, primitives=ALL_PRIMITIVES)
FULL_WIDTH = SMALL.replace(full_width_nodes=True, reduction_kernel=1)
TRANSITION = FULL_WIDTH.replace(reduction_shortcut="transition", reduction_kernel=0)
ODD_SHAPE, CLASSES = (15, 13, 1), 7  # grey, odd sizes
TINY = BARS_PAPER.replace(init_channels=4, layout="NRN", num_nodes=2, width_choices=(0.5, 1.0))
# A group of two convolutions, one with a stride, one with neither, one with other channels alone.
NASB = presets.NASB.replace(init_channels=8, num_nodes=2, primitives=ALL_PRIMITIVES,
                            backbone=((8, 1, 2), (16, 2, 1), (16, 1, 1), (24, 1, 1)))
TWO_PATHS = NASB.replace(num_paths=2, kernel_quantizer="magnitude_aware_sign", backbone=((8, 1, 1), (16, 2, 1)))
TINY_NASB = NASB.replace(init_channels=4, backbone=((4, 1, 1), (8, 2, 1)), primitives=("none", "skip", "bin_conv_3x3"))
ENUMERABLE = BARS_PAPER.replace(init_channels=4, layout="NR", num_nodes=2, width_choices=(0.5, 1.0), sharing="all")
ENUMERABLE_NASB = TINY_NASB.replace(max_inputs=1, num_paths=2)
# Every kind of operation takes another time.
DEVICE = Device("a board", tuple((kind, Constants(2.0 + i, 0.3 + i / 7)) for i, kind in enumerate(KINDS)))


def with_random_batch_norm(supernet, rng, variance=1.0):
    """Fresh statistics would hide channels that are mixed up."""
    for layer in supernet.layers_by_name.values():
        if hasattr(layer, "moving"):
            size = layer.moving.shape[1]
            layer.moving.assign(np.stack([rng.normal(size=size), variance * rng.uniform(0.5, 2, size)]))
            gamma = rng.uniform(0.5, 1.5, size) * rng.choice([-1, 1], size)
            layer.affine.assign(np.stack([gamma, rng.normal(size=size)]))
    return supernet


def sampled_genotypes(space, rng, number):
    """Random ones; the first cover every width of every stage, next to another width, and every depth."""
    for i in range(number):
        genotype = random_genotype(space, rng)
        widths = tuple(space.width_choices[(i + stage) % len(space.width_choices)] for stage in range(space.num_stages))
        depths = tuple(space.depths(stage)[(i + stage) % len(space.depths(stage))] for stage in range(space.num_stages))
        yield Genotype(space, widths, depths, genotype.topologies) if i < number // 2 else genotype


def random_alphas(space, rng, scale=1.0):
    """Normal logits of all choices."""
    alphas = Choices(*(scale * rng.standard_normal(shape) for shape in shapes(space)))
    return alphas._replace(depths=np.where(depth_grid(space) >= 0, alphas.depths, -1e9))


def softmax(logits):
    """Along the last axis."""
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def all_choices(space):
    """Every raw choice as indices, and its genotype."""
    groups, edges = len(space.groups), len(space.edges)
    ranges = ([len(space.width_choices)] * space.num_stages + [len(space.depths(s)) for s in range(space.num_stages)]
              + [len(space.primitives)] * groups * edges)
    for choice in itertools.product(*map(range, ranges)):
        widths, depths = choice[:space.num_stages], choice[space.num_stages:2 * space.num_stages]
        picked = np.array(choice[2 * space.num_stages:]).reshape(groups, edges)
        indices = Choices(widths, depths, picked)
        yield indices, genotype_of(space, indices)


def kept_choices(space, indices):
    """The indices of all subsets of inputs, equally probable, that the limit of inputs leaves of a raw choice."""
    none, picked = space.primitives.index("none") if "none" in space.primitives else -1, indices.edges
    dropped = [[]]
    for group in range(len(picked)):
        for target in range(1, space.num_nodes + 1):
            drawn = [(group, e) for e, (_, t) in enumerate(space.edges) if t == target and picked[group, e] != none]
            out = itertools.combinations(drawn, max(0, len(drawn) - space.most_inputs))
            dropped = [[*before, *more] for more in out for before in dropped]
    for edges in dropped:
        kept = picked.copy()
        for at in edges:
            kept[at] = none
        yield indices._replace(edges=kept)


def log_probability(choice, alphas):
    """That of a raw choice as indices."""
    logs = [np.log(np.maximum(softmax(a), 1e-300)) for a in alphas]
    widths, depths, picked = choice
    return (sum(logs[0][s, w] for s, w in enumerate(widths)) + sum(logs[1][s, d] for s, d in enumerate(depths))
            + np.take_along_axis(logs[2], picked[..., None], -1).sum())
