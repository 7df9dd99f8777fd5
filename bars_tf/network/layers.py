"""Layers as plain data, and the memory that a list of them needs."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
