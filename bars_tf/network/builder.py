"""The network, told once for all worlds: stem, stages of cells, head.

`ops` is the factory of the world in which it is built:

- `derived.KerasOps` makes stock Keras and Larq layers for one genotype;
- `supernet_ops.SupernetOps` makes every candidate and weighs them by the choices;
- `counting.CountOps` makes nothing and counts;
- `layers.LayerOps` makes nothing and lists the layers of one genotype.

A factory has its `space`, and `conv`, `binarize`, `binary_conv`, `batch_norm`, `relu`, `add`, `concat`,
`merge_halves`, `shift`, `subsample`, `average_pool`, `pool`, `map_channels`, `head`; and the places where the worlds
differ: `edge` (which primitives stand there), `normalized_sum` (of the nodes that have inputs) and `chain` (how many
cells of a stage are kept). `chosen.ChosenOps` has these last for factories of one genotype.
"""

from __future__ import annotations

from typing import Any

from bars_tf.network.cells import cell
from bars_tf.space.channels import Channels
from bars_tf.space.fields import MAX_POOL, STEMS
from bars_tf.space.search_space import SearchSpace


def network(ops: Any, space: SearchSpace, image: Any, image_channels: int) -> Any:
    """Logits (or whatever `ops` returns for its head) of `image`."""
    x = stem(ops, space, image, image_channels)
    for stage in range(space.num_stages):
        if stage:
            opening = next(p for p in space.cells() if p.stage == stage and p.opens_stage)
            x = cell(ops, space, x, opening)
        x = ops.chain(stage, x, space.chain(stage), lambda h, position: cell(ops, space, h, position))
    return ops.head(x, space.path_channels(space.num_stages - 1))


def stem(ops: Any, space: SearchSpace, image: Any, image_channels: int, output: Channels | None = None) -> Any:
    """Float convolutions, each with batch norm, ReLU between them (BARS), and max pooling; to `output` channels, or
    those of a cell."""
    x, source = image, Channels(image_channels)
    last = [i for i, layer in enumerate(STEMS[space.stem]) if layer != MAX_POOL][-1]
    for i, layer in enumerate(STEMS[space.stem]):
        if layer == MAX_POOL:
            x = ops.pool(x, MAX_POOL, 3, stride=2)
            continue
        kernel, stride = layer
        inner = Channels(space.stem_channels or space.init_channels)
        target = (output or space.path_channels(0)) if i == last else inner
        x = ops.conv(x, source, target, kernel, stride, f"stem_{i}_conv")
        x = ops.batch_norm(x, target, f"stem_{i}_bn")
        if i < last:
            x = ops.relu(x)
        source = target
    return x
