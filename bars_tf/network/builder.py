"""The network, built once for every layer factory: stem, stages of cells, head."""

from __future__ import annotations

from bars_tf.network.cells import cell
from bars_tf.network.factory import LayerFactory, Tensor
from bars_tf.space.channels import Channels
from bars_tf.space.fields import MAX_POOL, STEMS


def build(factory: LayerFactory, image: Tensor, image_channels: int) -> Tensor:
    """Builds the network of `factory.space`, from images [B, height, width, image_channels] to logits [B, classes]."""
    space = factory.space
    x = stem(factory, image, image_channels)
    for stage in range(space.num_stages):
        if stage:
            x = cell(factory, x, next(p for p in space.cells() if p.stage == stage and p.opens_stage))
        x = factory.chain(stage, x, space.chain(stage), lambda h, position: cell(factory, h, position))
    return head(factory, x)


def stem(factory: LayerFactory, image: Tensor, image_channels: int) -> Tensor:
    """Float convolutions, each with batch norm, with ReLU between them (BARS), and max pooling."""
    space, x, source = factory.space, image, Channels(image_channels)
    layers = STEMS[space.stem]
    last = max(i for i, layer in enumerate(layers) if layer != MAX_POOL)
    for i, layer in enumerate(layers):
        if isinstance(layer, str):
            x = factory.pool(x, layer, 3, stride=2)
            continue
        kernel, stride = layer
        target = space.path_channels(0) if i == last else Channels(space.stem_channels or space.init_channels)
        x = factory.conv(x, source, target, kernel, stride, f"stem_{i}_conv")
        x = factory.batch_norm(x, target, f"stem_{i}_bn")
        if i < last:
            x = factory.relu(x)
        source = target
    return x


def head(factory: LayerFactory, x: Tensor) -> Tensor:
    """Logits of the last cell's output."""
    space = factory.space
    x = factory.relu(x) if space.head_activation == "relu" else x
    return factory.head(x, space.path_channels(space.num_stages - 1))
