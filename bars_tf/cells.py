"""A cell, told once for all worlds.

The main path is as wide as the concatenated nodes. Inside the branch a binary 1x1 convolution ("process") squeezes it
to one node's width; node j sums one chosen primitive from each earlier node; the nodes are concatenated, and the cell
shortcut carries the full main path past all of it (BARS).
"""

from __future__ import annotations

from typing import Any

from bars_tf.primitives import binary_branch, identity
from bars_tf.spaces import CellPosition, SearchSpace


def cell(ops: Any, space: SearchSpace, x: Any, position: CellPosition) -> Any:
    """The cell at `position` on main path `x`; `ops` decides what stands on each edge."""
    name, stride = position.name, position.stride
    path_in, path_out = space.path_channels(position.source_stage), space.path_channels(position.stage)
    node_in, node_out = space.node_channels(position.source_stage), space.node_channels(position.stage)

    binary = ops.binarize(x)
    shortcut = x
    if stride == 2:
        shortcut = ops.add([
            binary_branch(ops, binary, path_in, path_out, f"{name}_shortcut", kernel=3, stride=2),
            identity(ops, x, path_in, path_out, 2),
        ])
    process = binary_branch(ops, binary, path_in, node_in, f"{name}_process", kernel=1)

    nodes, binary_nodes = [process], [ops.binarize(process)]
    identities = [identity(ops, process, node_in, node_out, stride)]
    for target in range(1, space.num_nodes + 1):
        incoming = [
            ops.edge(position, (source, target), binary_nodes[source], identities[source],
                     node_out if source else node_in, node_out, 1 if source else stride)
            for source in range(target)
        ]
        nodes.append(ops.add(incoming))
        identities.append(nodes[-1])
        binary_nodes.append(ops.binarize(nodes[-1]))
    return ops.add([ops.concat(nodes[1:]), shortcut])
