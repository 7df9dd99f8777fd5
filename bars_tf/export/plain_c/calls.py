"""A network as a sequence of calls of the C functions in `templates/operations.c`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bars_tf.export.plain_c import constants
from bars_tf.network.layers import Layer, Layers


class Tensor(NamedTuple):
    """Memory of `size` activations, or of words of 32 signs if it is `packed`; one of the caller's has a name."""

    number: int
    size: int
    packed: bool = False
    name: str = ""


class Constant(NamedTuple):
    """A table of the network, float32 or uint32, from its value number `first` on."""

    name: str
    values: np.ndarray
    first: int = 0


class Window(NamedTuple):
    """`struct window` of the C code."""

    height: int
    width: int
    channels: int
    out_height: int
    out_width: int
    out_channels: int
    kernel: int
    stride: int
    dilation: int
    top: int
    left: int
    shift: int


class Call(NamedTuple):
    """A call of a C function.

    Attributes:
        output: what it writes, from the value number `first` on.
        inputs: what it reads, and memory that it needs while it runs.
        arguments: that follow: numbers, constants, windows, None for a table that it does without.
    """

    function: str
    output: Tensor
    inputs: tuple[Tensor, ...]
    arguments: tuple[Any, ...]
    first: int = 0

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.output, *self.inputs)


class CallList:
    """The calls that compute a network, in the order of its layers.

    A batch norm and the ReLU before it are computed with the convolution before them; if only signs of the result are
    read, the batch norm becomes thresholds of the signs instead. Signs are taken once of each tensor. Shifts and
    subsampling become the way in which a convolution's window moves, a concatenation becomes additions to some
    channels.

    Args:
        weights: of the layers of the Keras network, by name.
        scaled: whether binary kernels are scaled, by `magnitude_aware_sign`.

    Attributes:
        affine: scale and offset of each batch norm, by name; a scale of the kernel is part of them.
        held: names of the batch norms whose results are activations; of the others only signs are read.
    """

    def __init__(self, layers: Layers, weights: Mapping[str, Sequence[np.ndarray]], scaled: bool):
        self.layers, self.weights, self.scaled = layers, weights, scaled
        self.calls: list[Call] = []
        self.affine: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.held: set[str] = set()
        self._values: dict[int, Tensor] = {}  # by layer
        self._signs: dict[int, Tensor] = {}
        self._count = 0
        for number, layer in layers.items():
            if call := getattr(self, f"_{layer.variant or layer.kind}", None):  # others are done with a later layer
                call(number, layer)

    def _tensor(self, size: int, packed: bool = False, name: str = "") -> Tensor:
        self._count += 1
        return Tensor(self._count, size, packed, name)

    def _call(self, function: str, output: Tensor, inputs: Sequence[Tensor], *arguments: Any, first: int = 0) -> Tensor:
        self.calls.append(Call(function, output, tuple(inputs), arguments, first))
        return output

    def _make(self, number: int, function: str, source: int, *arguments: Any, name: str = "") -> Tensor:
        """A call that makes the output of layer `number` of that of layer `source`."""
        self._values[number] = self._call(function, self._tensor(self.layers[number].elements, name=name),
                                          [self._values[source]], *arguments)
        return self._values[number]

    def _copy(self, number: int, source: int) -> Tensor:
        """What is changed in place; where `source` is not needed later, `memory` leaves the copy out."""
        return self._make(number, "copy", source, self.layers[number].elements)

    def _window(self, layer: Layer, source: Layer, step: int = 1, shift: int = 0) -> Window:
        """The window of a layer over an image, of which the layer sees every pixel number `step`."""
        height, width, channels = source.shape
        kernel = layer.window[0]

        def before(size: int) -> int:  # pixels of the padding "same" on the first side
            seen = -(-size // step)
            outputs = -(-seen // layer.stride)
            return max((outputs - 1) * layer.stride + (kernel - 1) * layer.dilation + 1 - seen, 0) // 2 * step

        return Window(height, width, channels, *layer.shape, kernel, layer.stride * step, layer.dilation * step,
                      before(height), before(width), shift)

    def _image(self, number: int, layer: Layer) -> None:
        self._values[number] = self._tensor(layer.elements, name="image")

    def _batch_norm(self, number: int, layer: Layer) -> None:
        source = layer.inputs[0]
        relu = self.layers[source].kind == "relu"
        convolutions = self._convolutions(self.layers[source].inputs[0] if relu else source)
        kernels = [self.weights[self.layers[i].name][0] for i in convolutions]
        binary = any(self.layers[i].kind == "binary_conv" for i in convolutions)
        values = constants.scale_and_offset(self.weights[layer.name], kernels if binary and self.scaled else [])
        self.affine[layer.name] = values
        scale, offset = (Constant(f"{layer.name}_{name}", value) for name, value in zip(("scale", "offset"), values))
        only_signs = self._is_only_read_by(number, "binary_conv", "shift", "subsample")
        if not only_signs:
            self.held.add(layer.name)
        height, width, channels = layer.shape
        if kernels and not binary:
            conv = self.layers[convolutions[0]]
            x = conv.inputs[0]
            self._make(number, "convolution", x, int(self._values[x].name == "image"),
                       self._window(conv, self.layers[x]), Constant(f"{conv.name}_kernel", kernels[0]),
                       scale, offset)
            return
        if binary:
            self._values[number] = self._tensor(layer.elements)
            for place, i in enumerate(convolutions):
                first = place * self.layers[i].shape[2]
                factors = (0, None, None) if only_signs else (
                    int(relu), scale._replace(first=first), offset._replace(first=first))
                self._binary_convolution(self._values[number], i, channels, first, factors)
        elif only_signs:
            self._values[number] = self._values[source]
        if only_signs:
            limits, flips = constants.thresholds(*values, relu=relu)
            self._take_signs(number, Constant(f"{layer.name}_limits", limits), Constant(f"{layer.name}_flips", flips))
        elif not binary:
            self._call("batch_norm", self._copy(number, source), [], height * width, channels, scale, offset)

    def _convolutions(self, number: int) -> Sequence[int]:
        """The convolution that a layer is, or the two of which it is the concatenation."""
        layer = self.layers[number]
        parts = layer.inputs if layer.variant == "concat" else (number,)
        return parts if all(self.layers[i].kind in ("conv", "binary_conv") for i in parts) else ()

    def _binary_convolution(self, y: Tensor, number: int, step: int, first: int, factors: Sequence[Any]) -> None:
        layer = self.layers[number]
        x, every, shift = layer.inputs[0], 1, 0
        while (variant := self.layers[x].variant) in ("subsample", "shift"):
            every, shift = (2, shift) if variant == "subsample" else (every, 1)
            x = self.layers[x].inputs[0]
        if x not in self._signs:
            self._take_signs(x, None, None)
        kernels = constants.packed_kernels(self.weights[layer.name][0])
        patch = self._tensor(kernels.shape[1], packed=True)
        self._call("binary_convolution", y, [self._signs[x], patch], self._window(layer, self.layers[x], every, shift),
                   step, Constant(f"{layer.name}_kernels", kernels), *factors, first=first)

    def _take_signs(self, number: int, limits: Constant | None, flips: Constant | None) -> None:
        height, width, channels = self.layers[number].shape
        bits = self._tensor(height * width * constants.words(channels), packed=True)
        self._signs[number] = self._call("signs", bits, [self._values[number]], height * width, channels, limits, flips)

    def _is_only_read_by(self, number: int, *kinds: str) -> bool:
        return all((layer.variant or layer.kind) in kinds for layer in self.layers.values() if number in layer.inputs)

    def _relu(self, number: int, layer: Layer) -> None:
        source = layer.inputs[0]
        if self._is_only_read_by(number, "max_pool"):  # the ReLU of the maximum is the maximum of the ReLUs
            self._values[number] = self._values[source]
        elif not self._convolutions(source):
            self._call("relu", self._copy(number, source), [], layer.elements)

    def _add(self, number: int, layer: Layer) -> None:
        height, width, channels = layer.shape
        terms = layer.inputs
        if self.layers[terms[0]].variant == "concat":  # which is no tensor of its own; of two terms the order is free
            terms = terms[::-1]
        y = self._copy(number, terms[0])
        for term in terms[1:]:
            first = 0
            for part in self.layers[term].inputs if self.layers[term].variant == "concat" else (term,):
                if self.layers[part].variant != "zeros":
                    self._call("add", y, [self._values[part]], height * width, self.layers[part].shape[2], channels,
                               first=first)
                first += self.layers[part].shape[2]

    def _avg_pool(self, number: int, layer: Layer) -> None:
        self._make(number, layer.variant, layer.inputs[0], self._window(layer, self.layers[layer.inputs[0]]))

    def _max_pool(self, number: int, layer: Layer) -> None:
        self._avg_pool(number, layer)
        if self.layers[layer.inputs[0]].kind == "relu":
            self._call("relu", self._values[number], [], layer.elements)

    def _mean(self, number: int, layer: Layer) -> None:
        height, width = layer.window
        self._make(number, "mean", layer.inputs[0], height * width, layer.in_channels)

    def _map_channels(self, number: int, layer: Layer) -> None:
        height, width, channels = layer.shape
        self._make(number, "map_channels", layer.inputs[0], height * width, layer.in_channels, channels)

    def _dense(self, number: int, layer: Layer) -> None:
        kernel, bias = self.weights[layer.name]
        self._make(number, "dense", layer.inputs[0], layer.in_channels, layer.shape[2],
                   Constant(f"{layer.name}_kernel", kernel), Constant(f"{layer.name}_bias", bias), name="logits")
