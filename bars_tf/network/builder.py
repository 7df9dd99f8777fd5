"""The network, built once for every layer factory: stem, stages of cells, head."""

import operator
from collections.abc import Iterable
from typing import Any

from bars_tf.errors import FieldError
from bars_tf.network.blocks import binary_branch, identity, transition
from bars_tf.network.factory import LayerFactory, Tensor
from bars_tf.space.channels import Channels
from bars_tf.space.fields import MAX_POOL, STEMS
from bars_tf.space.positions import CellPosition
from bars_tf.space.search_space import SearchSpace


def check_arguments(space: SearchSpace, input_shape: Iterable[int], num_classes: int) -> None:
    """Checks what every network is made of; raises FieldError, and ValueError for images that are too small."""
    if not isinstance(space, SearchSpace):
        raise FieldError("space", space, "must be a SearchSpace, such as bars_tf.BARS")
    shape = tuple(input_shape) if isinstance(input_shape, Iterable) else ()
    if len(shape) != 3 or not all(map(_is_count, shape)):
        raise FieldError("input_shape", input_shape, "must be (height, width, channels) of an image, each at least 1")
    if not _is_count(num_classes):
        raise FieldError("num_classes", num_classes, "must be an integer of at least 1")
    space.check_image(shape)


def _is_count(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and operator.index(value) >= 1
    except TypeError:
        return False


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


def cell(factory: LayerFactory, x: Tensor, position: CellPosition) -> Tensor:
    """The cell at a position, on the main path x.

    Both kinds hold a directed graph: node 0 is given, node j sums one primitive from each earlier node; stride and a
    change of channels stand on the edges that leave node 0.

    *BARS*: the main path is as wide as the concatenated nodes. A binary 1x1 convolution ("process") squeezes it to node
    0; the nodes are concatenated, and the cell shortcut carries the full main path past all of it. Or, our variant,
    nodes are as wide as the main path, which is node 0, and their sum is added to it.

    *NASB*: node 0 is the main path. The backbone's own binary convolutions, each with a float shortcut around it as in
    Bi-Real Net, are always on, and the batch-normalized sum of the nodes is added to their result. Without edges the
    cell is the backbone. (Our reading. With the last node alone instead of the sum, nodes could be in vain; without the
    batch norm, shortcuts beside shortcuts make the activations grow from cell to cell beyond all bounds.)
    """
    return (_backbone_cell if factory.space.backbone else _bars_cell)(factory, x, position)


def _bars_cell(factory: LayerFactory, x: Tensor, position: CellPosition) -> Tensor:
    space = factory.space
    path_in, path_out = space.path_channels(position.source_stage), space.path_channels(position.stage)
    shortcut = x
    if position.opens_stage:
        if space.reduction_shortcut == "transition":
            shortcut = transition(factory, x, path_in, path_out, f"{position.name}_transition")
        else:
            shortcut = identity(factory, x, path_in, path_out, 2)
        if space.reduction_kernel:
            shortcut = factory.add([binary_branch(factory, x, path_in, path_out, f"{position.name}_shortcut",
                                                  kernel=space.reduction_kernel, stride=2), shortcut])
    if space.full_width_nodes:
        return factory.add([*_nodes(factory, x, path_in, position), shortcut])
    node_in = space.node_channels(position.source_stage)
    process = binary_branch(factory, x, path_in, node_in, f"{position.name}_process", kernel=1)
    return factory.add([factory.concat(_nodes(factory, process, node_in, position)), shortcut])


def _backbone_cell(factory: LayerFactory, x: Tensor, position: CellPosition) -> Tensor:
    space, name = factory.space, position.name
    source, target = space.path_channels(position.source_stage), space.path_channels(position.stage)
    path, channels, stride = x, source, position.stride
    for i in range(space.backbone[position.index].repeats):
        shortcut = path
        if i == 0 and position.opens_stage:
            shortcut = factory.average_pool(path) if stride == 2 else path
            shortcut = factory.conv(shortcut, channels, target, 1, 1, f"{name}_downsample_conv")
            shortcut = factory.batch_norm(shortcut, target, f"{name}_downsample_bn")
        branch = binary_branch(factory, path, channels, target, f"{name}_backbone_{i}", kernel=3, stride=stride,
                               activation=space.backbone_activation)
        path, channels, stride = factory.add([branch, shortcut]), target, 1
    nodes = _nodes(factory, x, source, position)
    return factory.add([path, factory.normalized_sum(position, nodes, target, f"{name}_nodes_bn")])


def _nodes(factory: LayerFactory, x: Tensor, source: Channels, position: CellPosition) -> list[Tensor]:
    """The nodes behind node 0, which is x."""
    target = factory.space.node_channels(position.stage)
    nodes, identities = [x], [identity(factory, x, source, target, position.stride)]
    for node in range(1, factory.space.num_nodes + 1):
        incoming = [factory.edge(position, (i, node), nodes[i], identities[i], target if i else source, target,
                                 1 if i else position.stride) for i in range(node)]
        nodes.append(factory.add(incoming))
        identities.append(nodes[-1])
    return nodes[1:]
