"""What deployment pays for a network beside its multiply-accumulates, without TensorFlow.

A factory (see `network`) lists the layers of one network in the order in which it builds them; three figures, for one
image, are functions of that list. What each of them counts is our choice:

*Packed BOPs*: binary multiply-accumulates with the input channels of every binary convolution rounded up to a multiple
of 32, as the Larq Compute Engine packs them into words.

*Element-wise operations*: one for each element of the output of a ReLU, a batch norm, an addition of two terms (of n
terms n - 1), for each pixel of the window of each output of a pooling, and for the sign of each element that binary
convolutions read, however many read it. Those that the engine computes within a binary convolution are paid too, and
count; the batch norm right behind a float convolution does not, as it goes into the kernel. Copies cost none:
concatenation, shift, subsampling, mapping of channels, zeros.

*Peak activation bytes*: the largest sum of tensors that live at one time, the layers run one by one in that order. A
tensor has 4 bytes an element and lives from the layer that makes it to the last that reads it, both included. ReLU and
batch norm write over their input if they are the last that read it. Signs are not stored: a binary convolution reads
them off the float tensor, as the Keras model does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from bars_tf.chosen import ChosenOps
from bars_tf.counting import strided
from bars_tf.genotype import Genotype
from bars_tf.network import network as tell_network
from bars_tf.quicknet import QuickNet
from bars_tf.quicknet import tell as tell_quicknet

PACKED = 32  # channels in a word
BYTES = 4  # of an element, float32
IN_PLACE = ("relu", "batch_norm")


class Layer(NamedTuple):
    """A layer and the tensor that it makes: `inputs` are the numbers of the layers that it reads, `shape` is (height,
    width, channels), `window` the pixels of a kernel or of a pooling."""

    kind: str  # image, conv, binary_conv, batch_norm, relu, add, pool, copy, dense
    inputs: tuple[int, ...]
    shape: tuple[int, int, int]
    window: int = 1

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


# By number, increasing in the order of building.
Layers = Mapping[int, Layer]


class DeploymentCost(NamedTuple):
    """Operations of one image, bytes."""

    packed_bops: int
    elementwise_ops: int
    peak_activation_bytes: int


# For people, as `results.UNITS`.
LABELS = {"packed_bops": "packed BOPs", "elementwise_ops": "element-wise operations",
          "peak_activation_bytes": "peak activation bytes"}


def cost(network: Genotype | QuickNet, input_shape: tuple[int, int, int], num_classes: int) -> DeploymentCost:
    """The figures of a genotype or a reference."""
    found = layers(network, input_shape, num_classes)
    return DeploymentCost(bops(found, PACKED), elementwise_ops(found), peak_activation_bytes(found))


def layers(network: Genotype | QuickNet, input_shape: tuple[int, int, int], num_classes: int) -> Layers:
    """All layers that the logits, which are the last one, depend on."""
    ops = LayerOps(network, num_classes)
    image = ops.make("image", (), input_shape[:2], input_shape[2])
    if isinstance(network, QuickNet):
        logits = tell_quicknet(ops, network, image, input_shape[2])
    else:
        logits = tell_network(ops, network.space, image, input_shape[2])
    made = dict(enumerate(ops.layers))
    needed = _last_reads(made, logits)
    return {number: layer for number, layer in made.items() if number in needed}


def bops(layers: Layers, multiple: int = 1) -> int:
    """Binary multiply-accumulates, the input channels of each convolution rounded up to a multiple."""
    return sum(layer.window * -(-layers[layer.inputs[0]].shape[2] // multiple) * multiple * layer.elements
               for layer in layers.values() if layer.kind == "binary_conv")


def elementwise_ops(layers: Layers) -> int:
    """Operations on activations, as the module says."""
    signs = {layer.inputs[0] for layer in layers.values() if layer.kind == "binary_conv"}
    return sum(layers[number].elements for number in signs) + sum(
        _operations(layer, layers) * layer.elements for layer in layers.values())


def _operations(layer: Layer, layers: Layers) -> int:
    """For each element of the output."""
    if layer.kind == "batch_norm":
        return int(layers[layer.inputs[0]].kind != "conv")
    return {"relu": 1, "add": len(layer.inputs) - 1, "pool": layer.window}.get(layer.kind, 0)


def peak_activation_bytes(layers: Layers) -> int:
    """The most bytes of tensors that live at one time."""
    last_reads = _last_reads(layers, max(layers))
    living = peak = 0
    for number, layer in layers.items():
        dying = sum(layers[i].elements for i in set(layer.inputs) if last_reads[i] == number)
        living += layer.elements
        peak = max(peak, living - (dying if layer.kind in IN_PLACE else 0))
        living -= dying
    return BYTES * peak


def _last_reads(layers: Layers, logits: int) -> dict[int, int]:
    """For each layer that the logits depend on the last one that reads it."""
    found = {logits: logits}
    for number in sorted(layers, reverse=True):
        if number in found:
            for source in layers[number].inputs:
                found.setdefault(source, number)
    return found


class LayerOps(ChosenOps):
    """The factory that lists `layers`: a tensor is the number of the layer that makes it."""

    def __init__(self, genotype: Genotype | QuickNet, num_classes: int):
        super().__init__(genotype, num_classes)
        self.layers: list[Layer] = []

    def make(self, kind: str, inputs: tuple[int, ...], size: tuple[int, int], channels: int, window: int = 1) -> int:
        """The number of a new layer."""
        self.layers.append(Layer(kind, tuple(inputs), (*size, channels), window))
        return len(self.layers) - 1

    def _like(self, kind: str, x: int, *others: int, stride: int = 1, channels: int | None = None, window: int = 1
              ) -> int:
        """A layer that makes what is like x, but for the stride and the channels."""
        height, width, given = self.layers[x].shape
        return self.make(kind, (x, *others), strided((height, width), stride), channels or given, window)

    def conv(self, x, source, target, kernel, stride, name):
        return self._like("conv", x, stride=stride, channels=self._count(target), window=kernel * kernel)

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        return self._like("binary_conv", x, stride=stride, channels=self._count(target), window=kernel * kernel)

    def binarize(self, x):
        return x

    def batch_norm(self, x, channels, name, scale=None):
        return self._like("batch_norm", x)

    def relu(self, x):
        return self._like("relu", x)

    def _sum(self, terms):
        return self._like("add", *terms)

    def _concatenate(self, parts):
        if len(parts) == 1:
            return parts[0]
        return self._like("copy", *parts, channels=sum(self.layers[x].shape[2] for x in parts))

    def _zeros(self, like):
        return self._like("copy", like)

    def shift(self, x):
        return self._like("copy", x)

    def subsample(self, x):
        return self._like("copy", x, stride=2)

    def map_channels(self, x, source, target):
        return self._like("copy", x, channels=self._count(target))

    def average_pool(self, x):
        return self._like("pool", x, stride=2, window=4)

    def pool(self, x, kind, size, stride=1, scale=None):
        return self._like("pool", x, stride=stride, window=size * size)

    def head(self, x, source):
        height, width, channels = self.layers[x].shape
        x = self.make("pool", (x,), (1, 1), channels, height * width)
        return self.make("dense", (x,), (1, 1), self.num_classes)
