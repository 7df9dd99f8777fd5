"""Peak activation bytes of the parts of a space: what a budget of memory limits.

From one part of a network to the next goes nothing but the main path. So the most memory that a network takes (see
`layers`) is the most that one of its parts takes: the stem, a cell, the head. Of a cell, a budget counts what it takes
with the worst primitive on all edges; where it has no edge, the shortcut or the backbone alone. That is our choice: it
depends on few choices, and no network of the package's primitives takes more. Poolings of one's own beside convolutions
can.
"""

from __future__ import annotations

from bars_tf.network.builder import stem
from bars_tf.network.cells import cell
from bars_tf.network.layer_list import LayerOps, peak_activation_bytes
from bars_tf.space.genotype import Genotype
from bars_tf.space.positions import CellPosition
from bars_tf.space.search_space import SearchSpace


def of_stem(space: SearchSpace, width: float, input_shape: tuple[int, int, int]) -> int:
    """Bytes of the stem before a first stage of that width."""
    ops = _ops(space, {0: width})
    return peak_activation_bytes(ops.needed(stem(ops, space, ops.image(input_shape), input_shape[2])))


def of_head(space: SearchSpace, width: float, size: tuple[int, int], num_classes: int) -> int:
    """Bytes of the head behind a last stage of that width and size."""
    last = space.num_stages - 1
    ops, source = _ops(space, {last: width}, num_classes=num_classes), space.path_channels(last)
    return peak_activation_bytes(ops.needed(ops.head(ops.image((*size, source.count(width))), source)))


def of_cell(space: SearchSpace, widths: dict[int, float], size: tuple[int, int], position: CellPosition
            ) -> tuple[int, int]:
    """Bytes of a cell of that input size without any edge and with all of them, by the widths of its stages."""
    source = space.path_channels(position.source_stage).count(widths[position.source_stage])

    def peak(*primitives):
        ops = _ops(space, widths, *primitives)
        return peak_activation_bytes(ops.needed(cell(ops, space, ops.image((*size, source)), position)))

    return peak(), max(map(peak, space.primitives))


def _ops(space: SearchSpace, widths: dict[int, float], *primitives: str, num_classes: int = 1) -> LayerOps:
    """The factory of a network of these widths, with the primitive, if any, on every edge."""
    topology = tuple(tuple((source, name) for name in primitives for source in range(target))
                     for target in range(1, space.num_nodes + 1))
    stages = range(space.num_stages)
    genotype = Genotype(space, tuple(widths.get(s, space.width_choices[0]) for s in stages),
                        tuple(space.depths(s)[-1] for s in stages), (topology,) * len(space.groups))
    return LayerOps(genotype, num_classes)
