"""An operation of a `.tflite` file, and the units of work that its time grows with."""

import math
from typing import NamedTuple

Shape = tuple[int, int, int]
# By what an operation's time grows with: see `Operation.work`.
MACS = ("LceBconv2d", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
WINDOWS = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN")
ELEMENTS = ("LceQuantize", "LceBMaxPool2d", "ADD", "MUL", "RELU", "CONCATENATION", "STRIDED_SLICE", "PAD")
KINDS = (*MACS, *WINDOWS, *ELEMENTS)
# Input channels, output channels and pixels of a tile of binary multiply-accumulates. Inputs are packed to words of 32;
# the engine's kernels compute 8 outputs of 4 pixels at a time (`core/indirect_bgemm/kernel_8x4x2_aarch64.h`).
TILE = 32, 8, 4


class Operation(NamedTuple):
    """An operation of a `.tflite` file for one image; `kind` is its name there.

    Shapes are (height, width, channels), of the first input and of the output.
    """

    kind: str
    source: Shape
    shape: Shape
    window: tuple[int, int] = (1, 1)
    stride: int = 1
    dilation: int = 1

    @property
    def work(self) -> int:
        """Multiply-accumulates, of a binary convolution in whole tiles; of a pooling the pixels of its windows times
        channels; of all others the elements of the larger of input and output."""
        height, width, channels = self.shape
        if self.kind == "LceBconv2d":
            inputs, outputs, pixels = (-(-n // tile) * tile for n, tile in
                                       zip((self.source[2], channels, height * width), TILE))
            return math.prod(self.window) * inputs * outputs * pixels
        if self.kind in MACS:
            inputs = 1 if self.kind == "DEPTHWISE_CONV_2D" else self.source[2]
            return math.prod(self.window) * inputs * math.prod(self.shape)
        if self.kind in WINDOWS:
            return math.prod(self.window) * math.prod(self.shape)
        return max(math.prod(self.source), math.prod(self.shape))

    def __str__(self) -> str:
        """The name of the operation in a device's table of measured times."""
        found = [self.kind, "x".join(map(str, self.source)), "x".join(map(str, self.shape))]
        found += [f"window {self.window[0]}x{self.window[1]}"] if self.window != (1, 1) else []
        found += [f"{name} {value}" for name, value in (("stride", self.stride), ("dilation", self.dilation))
                  if value > 1]
        return " ".join(found)
