"""The operations that the Larq Compute Engine's converter makes of a list of layers.

What is fused, as the converter does it (tried out, see `tests/export/test_file_operations.py`): ReLU and batch norm
behind a convolution, a ReLU behind an addition. Signs are packed once for all binary convolutions that read a tensor
(LceQuantize), subsampled as bits (LceBMaxPool2d), and written by a binary convolution itself where signs alone are
read of it. Layers without weights that compute the same are one. A sum of n terms is n - 1 additions; any other batch
norm is a multiplication and an addition.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bars_tf.cost.operation import TILE, Operation, Shape
from bars_tf.network.layers import Layer, Layers
from bars_tf.space.search_space import SearchSpace


class Node(NamedTuple):
    """An operation, and the layer that it computes, or whose signs it packs."""

    operation: Operation
    layer: int
    is_sign: bool = False


def merged(layers: Layers) -> dict[int, Layer]:
    """The layers, those that compute the same as one: the first of them, whose number their readers read."""
    first: dict[object, int] = {}
    same: dict[int, int] = {}
    for number, layer in layers.items():
        layer = layer._replace(inputs=tuple(same[i] for i in layer.inputs))
        key = number if layer.kind == "image" else layer._replace(candidate=None)
        same[number] = first.setdefault(key, number)
    return {number: layers[number]._replace(inputs=tuple(same[i] for i in layers[number].inputs))
            for number in dict.fromkeys(same.values())}


def nodes(layers: Layers, scaled: bool = False) -> list[Node]:
    """The operations of `merged` layers, the last of which is the result.

    `scaled`: whether binary kernels have scales, behind which the converter leaves ReLU and batch norm apart.
    """
    return list(_Converter(layers, scaled).nodes())


def operations(layers: Layers, scaled: bool = False) -> list[Operation]:
    """The operations of a network."""
    return [node.operation for node in nodes(merged(layers), scaled)]


def scales_kernels(space: SearchSpace) -> bool:
    """Whether the binary kernels of a space's networks have scales."""
    return space.kernel_quantizer != "ste_sign"


class _Converter:
    def __init__(self, layers: Layers, scaled: bool):
        self.layers, self.scaled = layers, scaled
        self.readers: dict[int, list[int]] = {number: [] for number in layers}
        for number, layer in layers.items():
            for source in dict.fromkeys(layer.inputs):
                self.readers[source].append(number)

    def nodes(self) -> Iterator[Node]:
        for number, layer in self.layers.items():
            source = self.layers[layer.inputs[0]].shape if layer.inputs else layer.shape
            if layer.kind not in ("image", "edges") and not self._is_fused(number):
                halves = 2 if layer.kind in ("relu", "batch_norm") and self._is_halves(layer.inputs[0]) else 1
                if halves == 2:
                    source, layer = _halved(source), layer._replace(shape=_halved(layer.shape))
                for operation in [*self._operations(layer, source)] * halves:
                    yield Node(operation, number)
            if self._signs_are_read(number) and not self._is_packed(number):
                yield Node(Operation("LceQuantize", layer.shape, layer.shape), number, is_sign=True)

    def _operations(self, layer: Layer, source: Shape) -> Iterable[Operation]:
        shape = layer.shape

        def of(kind: str, source: Shape = source, shape: Shape = shape) -> Operation:
            return Operation(kind, source, shape, layer.window, layer.stride, layer.dilation)

        match layer.kind, layer.variant:
            case "add", _:
                return [of("ADD")] * (len(layer.inputs) - 1)
            case "batch_norm", _:
                return of("MUL"), of("ADD")
            case _, "subsample":
                words = -(-shape[2] // TILE[0]) * TILE[0]
                return [of("LceBMaxPool2d", (*source[:2], words), (*shape[:2], words))]
            case _, "shift":
                cut = source[0] - 1, source[1] - 1, source[2]
                return of("STRIDED_SLICE", shape=cut), of("PAD", source=cut)
            case _, "map_channels":
                copies = -(-shape[2] // source[2])
                whole = (*source[:2], copies * source[2])
                return ([of("CONCATENATION", shape=whole)] if copies > 1 else []) + (
                    [of("STRIDED_SLICE", source=whole)] if whole != shape else [])
        kinds = {"conv": "CONV_2D", "binary_conv": "LceBconv2d", "dense": "FULLY_CONNECTED", "relu": "RELU",
                 "max_pool": "MAX_POOL_2D", "avg_pool": "AVERAGE_POOL_2D", "mean": "MEAN", "zeros": "MUL",
                 "concat": "CONCATENATION"}
        return [of(kinds[layer.variant or layer.kind])]

    def _is_fused(self, number: int) -> bool:
        """Whether a layer is part of the operation that makes its input, which nothing else reads."""
        layer = self.layers[number]
        if layer.kind not in ("relu", "batch_norm"):
            return False
        before = self.layers[layer.inputs[0]]
        if len(self.readers[layer.inputs[0]]) > 1:
            return False
        return self._ends_convolution(layer.inputs[0], layer.kind) or layer.kind == "relu" and before.kind == "add"

    def _ends_convolution(self, number: int, behind: str) -> bool:
        """Whether it is a convolution with what is fused into it, and takes in a layer of the kind `behind` too."""
        layer = self.layers[number]
        if layer.kind in ("relu", "batch_norm"):
            return self._is_fused(number) and self._ends_convolution(layer.inputs[0], layer.kind)
        is_binary = layer.kind == "binary_conv" or self._is_halves(number)
        return layer.kind == "conv" or is_binary and not (self.scaled and behind == "relu")

    def _is_halves(self, number: int) -> bool:
        """Whether it joins the halves of a factorized convolution, or is a ReLU or batch norm on both of them."""
        layer = self.layers[number]
        if layer.kind in ("relu", "batch_norm"):
            return self._is_halves(layer.inputs[0])
        return layer.variant == "concat" and all(self.layers[i].kind == "binary_conv" for i in layer.inputs)

    def _signs_are_read(self, number: int) -> bool:
        return any(takes_signs(self.layers[reader], self.layers) for reader in self.readers[number])

    def _is_packed(self, number: int) -> bool:
        """Whether a binary convolution writes signs itself, as nothing else is read of it."""
        if not all(takes_signs(self.layers[reader], self.layers) for reader in self.readers[number]):
            return False
        while self._is_fused(number):
            number = self.layers[number].inputs[0]
        return self.layers[number].kind == "binary_conv"


def takes_signs(layer: Layer, layers: Layers) -> bool:
    """Whether a layer reads the signs of its input alone."""
    return layer.variant == "subsample" or (
        layer.kind == "binary_conv" and layers[layer.inputs[0]].variant != "subsample")


def signs(layers: Layers) -> set[int]:
    """The layers whose signs binary convolutions read."""
    return {layer.inputs[0] for layer in layers.values() if layer.kind == "binary_conv"}


def elementwise_ops(layer: Layer, layers: Layers) -> int:
    """The element-wise operations of one of `layers` without those of signs, see `cost.deployment`."""
    if layer.kind == "batch_norm":
        return int(layers[layer.inputs[0]].kind != "conv") * layer.elements
    of_element = {"relu": 1, "add": len(layer.inputs) - 1, "pool": math.prod(layer.window)}
    return of_element.get(layer.kind, 0) * layer.elements


def _halved(shape: Shape) -> Shape:
    return *shape[:2], shape[2] // 2
