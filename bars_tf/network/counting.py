"""The factory that counts instead of building: costs of the layers of one network, by name."""

from __future__ import annotations

import numpy as np

from bars_tf.network.blocks import primitive_branch
from bars_tf.space.channels import Channels
from bars_tf.space.search_space import SearchSpace


def strided(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """(height, width) of what a stride leaves, padded as "same"."""
    return tuple(-(-side // stride) for side in size)


class CountOps:
    """Tensors are (height, width); `costs` has for each layer [BOPs, FLOPs, binary parameters, float parameters].

    All primitives of an edge are counted, each under its own name. `widths` are those of the stages that are met.
    """

    def __init__(self, space: SearchSpace, widths: dict[int, float], num_classes: int = 1):
        self.space, self.widths, self.num_classes, self.costs = space, widths, num_classes, {}

    def _channels(self, channels: Channels) -> int:
        return channels.count(self.widths.get(channels.stage, 1.0))

    def _count(self, name: str, macs: int, params: int, binary: bool) -> None:
        self.costs[name] = np.array([macs, 0, params, 0] if binary else [0, macs, 0, params], dtype=np.float64)

    def _conv(self, x, source, target, kernel, stride, name, binary):
        size = strided(x, stride)
        params = kernel * kernel * self._channels(source) * self._channels(target)
        self._count(name, params * size[0] * size[1], params, binary)
        return size

    def conv(self, x, source, target, kernel, stride, name):
        return self._conv(x, source, target, kernel, stride, name, binary=False)

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        return self._conv(x, source, target, kernel, stride, name, binary=True)

    def batch_norm(self, x, channels, name, scale=None):
        self._count(name, 0, 2 * self._channels(channels), binary=False)
        return x

    def head(self, x, source):
        inputs, outputs = self._channels(source), self.num_classes
        self.costs["head"] = np.array([0, inputs * outputs, 0, (inputs + 1) * outputs], dtype=np.float64)

    def edge(self, position, edge, x, identity, source, target, stride):
        for name in self.space.primitives:
            primitive = self.space.primitive(name)
            if primitive.branch != "none":
                prefix = f"{position.name}_edge_{edge[0]}_{edge[1]}_{name}"
                primitive_branch(self, primitive, x, identity, source, target, stride, f"{prefix}/")
        return identity

    def relu(self, x):
        return x

    binarize = shift = relu

    def add(self, terms):
        return terms[0]

    def normalized_sum(self, position, nodes, channels, name):
        return self.batch_norm(nodes[0], channels, name)

    def concat(self, nodes):
        return nodes[0]

    def merge_halves(self, halves, target):
        return halves[0]

    def map_channels(self, x, source, target):
        return x

    def average_pool(self, x):
        return strided(x, 2)

    subsample = average_pool

    def pool(self, x, kind, size, stride=1, scale=None):
        return strided(x, stride)
