"""The cells, told once for all worlds.

Both kinds hold a directed graph: node 0 is given, node j sums one chosen primitive from each earlier node; stride and a
change of channels stand on the edges that leave node 0.

*BARS*: the main path is as wide as the concatenated nodes. A binary 1x1 convolution ("process") squeezes it to node 0;
the nodes are concatenated, and the cell shortcut carries the full main path past all of it. Or, our variant, nodes are
as wide as the main path, which is node 0, and their sum is added to it.

*NASB*: node 0 is the main path. The backbone's own binary convolutions, each with a float shortcut around it as in
Bi-Real Net, are always on, and the batch-normalised sum of the nodes is added to what they give. Without edges the cell
is the backbone. (Our reading. With the last node alone instead of the sum, nodes could be in vain; without the batch
norm, shortcuts beside shortcuts make what flows grow from cell to cell beyond all bounds.)
"""

from __future__ import annotations

from typing import Any

from bars_tf.network.blocks import binary_branch, identity, transition
from bars_tf.space.channels import Channels
from bars_tf.space.positions import CellPosition
from bars_tf.space.search_space import SearchSpace


def cell(ops: Any, space: SearchSpace, x: Any, position: CellPosition) -> Any:
    """The cell at `position` on main path `x`; `ops` decides what stands on each edge."""
    return (_backbone_cell if space.backbone else _bars_cell)(ops, space, x, position)


def _bars_cell(ops: Any, space: SearchSpace, x: Any, position: CellPosition) -> Any:
    path_in, path_out = space.path_channels(position.source_stage), space.path_channels(position.stage)
    shortcut = x
    if position.opens_stage:
        if space.reduction_shortcut == "transition":
            shortcut = transition(ops, x, path_in, path_out, f"{position.name}_transition")
        else:
            shortcut = identity(ops, x, path_in, path_out, 2)
        if space.reduction_kernel:
            shortcut = ops.add([binary_branch(ops, x, path_in, path_out, f"{position.name}_shortcut",
                                              kernel=space.reduction_kernel, stride=2), shortcut])
    if space.full_width_nodes:
        return ops.add([*_nodes(ops, space, x, path_in, position), shortcut])
    node_in = space.node_channels(position.source_stage)
    process = binary_branch(ops, x, path_in, node_in, f"{position.name}_process", kernel=1)
    return ops.add([ops.concat(_nodes(ops, space, process, node_in, position)), shortcut])


def _backbone_cell(ops: Any, space: SearchSpace, x: Any, position: CellPosition) -> Any:
    source, target = space.path_channels(position.source_stage), space.path_channels(position.stage)
    path, channels, stride = x, source, position.stride
    for i in range(space.backbone[position.index].repeats):
        shortcut = path
        if i == 0 and position.opens_stage:
            shortcut = ops.average_pool(path) if stride == 2 else path
            shortcut = ops.conv(shortcut, channels, target, 1, 1, f"{position.name}_downsample_conv")
            shortcut = ops.batch_norm(shortcut, target, f"{position.name}_downsample_bn")
        branch = binary_branch(ops, path, channels, target, f"{position.name}_backbone_{i}", kernel=3, stride=stride,
                               activation="none")
        path, channels, stride = ops.add([branch, shortcut]), target, 1
    nodes = _nodes(ops, space, x, source, position)
    return ops.add([path, ops.normalized_sum(position, nodes, target, f"{position.name}_nodes_bn")])


def _nodes(ops: Any, space: SearchSpace, x: Any, source: Channels, position: CellPosition) -> list[Any]:
    """The nodes behind node 0, which is `x`."""
    target = space.node_channels(position.stage)
    nodes, identities = [x], [identity(ops, x, source, target, position.stride)]
    for node in range(1, space.num_nodes + 1):
        incoming = [ops.edge(position, (i, node), nodes[i], identities[i], target if i else source, target,
                             1 if i else position.stride) for i in range(node)]
        nodes.append(ops.add(incoming))
        identities.append(nodes[-1])
    return nodes[1:]
