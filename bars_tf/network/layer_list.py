"""The layers of one network as a list, without TensorFlow: costs, memory and times are computed from it."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bars_tf.network.builder import build
from bars_tf.network.genotype_factory import GenotypeFactory
from bars_tf.space.genotype import Genotype

IN_PLACE = ("relu", "batch_norm")  # layers that overwrite their input


class Candidate(NamedTuple):
    """A primitive on an edge of a group of cells: indices into `space.groups`, `space.edges`, `space.primitives`."""

    group: int
    edge: int
    primitive: int


class Layer(NamedTuple):
    """A layer and the tensor that it makes, of one image.

    Attributes:
        kind: "image", "conv", "binary_conv", "batch_norm", "relu", "add", "pool", "copy" or "dense". Concatenation,
            shift, subsampling, mapping of channels and zeros are copies.
        variant: of a pool "max_pool", "avg_pool" or "mean" (over all pixels); of a copy "concat", "shift", "subsample",
            "map_channels" or "zeros".
        inputs: numbers of the layers that it reads.
        shape: (height, width, channels) of its output.
        in_channels: channels of its (first) input.
        window: (height, width) of a kernel or of a pooling.
        name: name of the layer in the Keras network, where it has weights.
        candidate: the primitive that it belongs to; None outside the edges of cells.
    """

    kind: str
    inputs: tuple[int, ...]
    shape: tuple[int, int, int]
    in_channels: int = 0
    window: tuple[int, int] = (1, 1)
    stride: int = 1
    dilation: int = 1
    name: str = ""
    candidate: Candidate | None = None
    variant: str = ""

    @property
    def elements(self) -> int:
        """Elements of the output."""
        return math.prod(self.shape)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a convolution or a dense layer."""
        has_kernel = self.kind in ("conv", "binary_conv", "dense")
        return math.prod(self.window) * self.in_channels * self.elements if has_kernel else 0

    @property
    def params(self) -> int:
        """Parameters: those of a kernel and, of the dense layer, a bias; two for each batch-normalized channel."""
        inputs = {"dense": self.in_channels + 1, "batch_norm": 2}.get(self.kind, self.in_channels)
        has_params = self.kind in ("conv", "binary_conv", "dense", "batch_norm")
        return math.prod(self.window) * inputs * self.shape[2] if has_params else 0


# By number, increasing in the order of building; each reads layers of lower numbers.
Layers = Mapping[int, Layer]


def layers_of(genotype: Genotype, input_shape: tuple[int, int, int], num_classes: int) -> Layers:
    """The layers that a network's logits, made by the last one, depend on; images are (height, width, channels)."""
    factory = LayerListFactory(genotype, num_classes)
    return factory.needed(build(factory, factory.image(input_shape), input_shape[2]))


def last_reads(layers: Layers | Sequence[Layer], result: int) -> dict[int, int]:
    """For each layer that a result depends on, the last one that reads it."""
    found = {result: result}
    for number in range(result, -1, -1):
        if number in found:
            for source in layers[number].inputs:
                found.setdefault(source, number)
    return found


def strided(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """(height, width) after a layer of that stride with "same" padding."""
    height, width = size
    return -(-height // stride), -(-width // stride)


class LayerListFactory(GenotypeFactory):
    """The layer factory that lists layers: a tensor is the number of the layer that makes it."""

    def __init__(self, genotype: Genotype, num_classes: int):
        super().__init__(genotype, num_classes)
        self.layers: list[Layer] = []
        self._candidate: Candidate | None = None

    def image(self, shape: Sequence[int]) -> int:
        """Adds the input (height, width, channels) of the layers that follow."""
        height, width, channels = shape
        self.layers.append(Layer("image", (), (height, width, channels)))
        return len(self.layers) - 1

    def needed(self, result: int) -> Layers:
        """All layers that a result depends on, which is the last one."""
        read = last_reads(self.layers, result)
        return {number: layer for number, layer in enumerate(self.layers) if number in read}

    def edge(self, position, edge, x, identity, source, target, stride):
        space = self.space
        primitive = self.genotype.primitive(position.group, edge)
        if primitive in space.primitives:
            self._candidate = Candidate(space.groups.index(position.group), space.edges.index(edge),
                                        space.primitives.index(primitive))
        result = super().edge(position, edge, x, identity, source, target, stride)
        self._candidate = None
        return result

    def _add(self, kind: str, *inputs: int, channels: int | None = None, window: tuple[int, int] = (1, 1),
             stride: int = 1, dilation: int = 1, name: str = "", variant: str = "") -> int:
        """The number of a new layer; channels are those of its first input if they are not given."""
        height, width, given = self.layers[inputs[0]].shape
        self.layers.append(Layer(kind, inputs, (*strided((height, width), stride), channels or given), given, window,
                                 stride, dilation, name, self._candidate, variant))
        return len(self.layers) - 1

    def conv(self, x, source, target, kernel, stride, name):
        return self._add("conv", x, channels=self._count(target), window=(kernel, kernel), stride=stride, name=name)

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        return self._add("binary_conv", x, channels=self._count(target), window=(kernel, kernel), stride=stride,
                         dilation=dilation, name=name)

    def binarize(self, x):
        return x

    def batch_norm(self, x, channels, name, scale=None):
        return self._add("batch_norm", x, name=name)

    def relu(self, x):
        return self._add("relu", x)

    def _sum(self, terms):
        return self._add("add", *terms)

    def _concatenate(self, tensors):
        if len(tensors) == 1:
            return tensors[0]
        return self._add("copy", *tensors, channels=sum(self.layers[x].shape[2] for x in tensors), variant="concat")

    def shift(self, x):
        return self._add("copy", x, variant="shift")

    def _zeros(self, like):
        return self._add("copy", like, variant="zeros")

    def subsample(self, x):
        return self._add("copy", x, stride=2, variant="subsample")

    def map_channels(self, x, source, target):
        return self._add("copy", x, channels=self._count(target), variant="map_channels")

    def average_pool(self, x):
        return self.pool(x, "avg_pool", 2, stride=2)

    def pool(self, x, kind, size, stride=1, scale=None):
        return self._add("pool", x, window=(size, size), stride=stride, variant=kind)

    def head(self, x, source):
        height, width, channels = self.layers[x].shape
        self.layers.append(Layer("pool", (x,), (1, 1, channels), channels, (height, width), variant="mean"))
        return self._add("dense", len(self.layers) - 1, channels=self.num_classes, name="head")


def peak_activation_bytes(layers: Layers) -> int:
    """The largest sum of bytes of float32 tensors that live at one time, the layers run one by one in the list's order.

    A tensor lives from the layer that makes it to the last that reads it, both included. ReLU and batch norm overwrite
    their input if they are the last that read it. Signs are not stored: a binary convolution reads them off the float
    tensor, as the Keras model does. This way of counting is our choice.
    """
    last = last_reads(layers, max(layers))
    living = peak = 0
    for number, layer in layers.items():
        dying = sum(layers[i].elements for i in set(layer.inputs) if last[i] == number)
        living += layer.elements
        peak = max(peak, living - (dying if layer.kind in IN_PLACE else 0))
        living -= dying
    return 4 * peak
