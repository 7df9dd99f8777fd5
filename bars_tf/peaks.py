"""Peak activation bytes of the parts of a space: what a budget of memory limits.

From one part of a network to the next goes nothing but the main path. So the most memory that a network takes (see
`layers`) is the most that one of its parts takes: the stem, a cell, the head. Of a cell, a budget counts what it takes
with the worst primitive on all edges; where it has no edge, the shortcut or the backbone alone. That is our choice: it
depends on few choices, and no network of the package's primitives takes more. Poolings of one's own beside convolutions
can.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bars_tf.cells import cell
from bars_tf.genotype import Genotype
from bars_tf.layers import LayerOps, peak_activation_bytes
from bars_tf.network import stem
from bars_tf.spaces import CellPosition, SearchSpace


class PartPeaks(NamedTuple):
    """Bytes: `stem` and `head` [W], by first and last width; of cells [cells, W, W], by source width and width, without
    any edge and with all of them."""

    stem: np.ndarray
    head: np.ndarray
    without_edges: np.ndarray
    full: np.ndarray


def part_peaks(space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int) -> PartPeaks:
    """The peaks of all parts of a space at one input shape."""
    widths, cells = space.width_choices, space.cells()
    stems, heads = [], []
    for width in widths:
        ops = _ops(space, {0: width, space.num_stages - 1: width}, (), num_classes)
        x = stem(ops, space, ops.make("image", (), input_shape[:2], input_shape[2]), input_shape[2])
        size = ops.layers[x].shape[:2]
        stems.append(peak_activation_bytes(ops.needed(x)))

    without_edges, full = np.zeros((2, len(cells), len(widths), len(widths)))
    for position in cells:
        for a, source_width in enumerate(widths):
            for b, width in enumerate(widths):
                if not position.opens_stage and a != b:
                    continue
                at = position.index, a, b
                chosen = {position.source_stage: source_width, position.stage: width}
                without_edges[at], made = _cell(space, size, position, chosen, ())
                full[at] = max(_cell(space, size, position, chosen, (name,))[0] for name in space.primitives)
        size = made

    for width in widths:
        ops = _ops(space, {space.num_stages - 1: width}, (), num_classes)
        channels = space.path_channels(space.num_stages - 1)
        heads.append(peak_activation_bytes(ops.needed(ops.head(
            ops.make("image", (), size, channels.count(width)), channels))))
    return PartPeaks(np.array(stems, float), np.array(heads, float), without_edges, full)


def _ops(space: SearchSpace, widths: dict[int, float], primitives: tuple[str, ...], num_classes: int = 1) -> LayerOps:
    """The factory of a network of these widths, with the primitive on every edge."""
    topology = tuple(tuple((source, name) for name in primitives for source in range(target))
                     for target in range(1, space.num_nodes + 1))
    stages = range(space.num_stages)
    genotype = Genotype(space, tuple(widths.get(s, space.width_choices[0]) for s in stages),
                        tuple(space.depths(s)[-1] for s in stages), (topology,) * len(space.groups))
    return LayerOps(genotype, num_classes)


def _cell(space: SearchSpace, size: tuple[int, int], position: CellPosition, widths: dict[int, float],
          primitives: tuple[str, ...]) -> tuple[int, tuple[int, int]]:
    """The peak of a cell, and the size of what it makes."""
    ops = _ops(space, widths, primitives)
    path = ops.make("image", (), size, space.path_channels(position.source_stage).count(widths[position.source_stage]))
    result = cell(ops, space, path, position)
    return peak_activation_bytes(ops.needed(result)), ops.layers[result].shape[:2]
