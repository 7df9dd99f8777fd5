"""The layers of one network, listed in the order in which a factory (see `network`) builds them, without TensorFlow;
and the most memory that their tensors take.

*Peak activation bytes*: the largest sum of tensors that live at one time, the layers run one by one in that order. A
tensor has 4 bytes an element and lives from the layer that makes it to the last that reads it, both included. ReLU and
batch norm write over their input if they are the last that read it. Signs are not stored: a binary convolution reads
them off the float tensor, as the Keras model does. What is counted is our choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from bars_tf.network.counting import strided
from bars_tf.network.genotype_factory import ChosenOps
from bars_tf.space.genotype import Genotype

if TYPE_CHECKING:
    from bars_tf.network.quicknet import QuickNet

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

    def needed(self, result: int) -> Layers:
        """All layers that a result depends on, which is the last one."""
        made = dict(enumerate(self.layers))
        read = _last_reads(made, result)
        return {number: layer for number, layer in made.items() if number in read}

    def image(self, shape: tuple[int, int, int]) -> int:
        """The number of what the layers start from."""
        return self.make("image", (), tuple(shape[:2]), shape[2])

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
