"""The proof that a converted network runs binary and computes what was trained."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from bars_tf.cost.deployment import PACKED
from bars_tf.export.tflite_file import Contents, Operation
from bars_tf.legacy_keras import lq, tf

SIGNS = ("ste_sign", "approx_sign", "swish_sign", "magnitude_aware_sign")
# Agreement: images whose logits differ by less than this part of the logits' range count as computed alike.
TOLERANCE, CLOSE_SHARE, SAME_CLASS_SHARE = 1e-3, 0.98, 0.99
CONVOLUTIONS = (tf.keras.layers.Conv2D, tf.keras.layers.Conv2DTranspose, tf.keras.layers.DepthwiseConv2D,
                tf.keras.layers.SeparableConv2D)


class Agreement(NamedTuple):
    """How far two functions from images to logits agree.

    Where a sum rounds across 0 a sign flips, and one image comes out visibly different: such images are not `close`.
    Whether it was rounding tells a comparison with `conversion.with_engine_rounding`.
    """

    images: int
    close: int
    same_class: int

    @property
    def holds(self) -> bool:
        return self.close >= CLOSE_SHARE * self.images and self.same_class >= SAME_CLASS_SHARE * self.images

    def __str__(self) -> str:
        return (f"{self.close:,} of {self.images:,} images within {TOLERANCE:g} of the logits' range, "
                f"{self.same_class:,} of the same class")


def agreement(expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Compares logits [images, classes]."""
    scale = max(float(np.ptp(expected)), np.finfo(np.float32).tiny)
    # NaN is not close: the comparison is false.
    close = np.abs(expected - found).max(axis=1) <= TOLERANCE * scale
    return Agreement(len(expected), int(close.sum()), int((expected.argmax(1) == found.argmax(1)).sum()))


def fallbacks(model: tf.keras.Model, contents: Contents) -> list[str]:
    """What keeps a file from being the binary network that `model` is: a line each, naming layer, reason and remedy.

    Every convolution of the model with a kernel quantizer has to be one LceBconv2d with the signs of its kernel, and
    there must be as many float convolutions as the model has without. Where only the sign of a result is used, the
    converter may negate the kernel of an output channel and turn its threshold round: that is the same. Of layers with
    equal signs one is enough: on the same input the converter computes them once, and were another one float, the
    number of these would tell.
    """
    found = defaultdict(int)
    for operation in contents.operations:
        if operation.is_binary:
            found[_key(unpacked_signs(operation))] += 1
    lines, needed, floats, matched = [], 0, 0, set()
    for layer in model.layers:
        if not isinstance(layer, CONVOLUTIONS):
            continue
        if quantizer(layer, "kernel") is None and quantizer(layer, "depthwise") is None:
            floats += 1
            continue
        key = _key(np.moveaxis(layer.get_weights()[0] < 0, -1, 0))
        if found[key]:
            found[key] -= 1
            needed += 1
            matched.add(key)
        elif key not in matched:
            lines.append(f"layer {layer.name} is no LceBconv2d: {_reason(layer)}")
    in_file = [op for op in contents.operations if op.is_float_convolution]
    if not lines and len(in_file) != floats:
        lines.append(f"{len(in_file)} float convolutions instead of {floats}: {', '.join(op.name for op in in_file)}")
    surplus = sum(op.is_binary for op in contents.operations) - needed
    if not lines and surplus:
        lines.append(f"{surplus} binary convolutions that are no layers of the network")
    return lines


def unpacked_signs(operation: Operation) -> np.ndarray:
    """Where the kernel of an LceBconv2d is negative: bool [outputs, height, width, inputs]."""
    # A bit a weight, inputs packed to 32.
    data = np.ascontiguousarray(operation.kernel).view(np.uint8)
    return np.unpackbits(data, axis=-1, bitorder="little")[..., : operation.input_channels].astype(bool)


def _key(negative: np.ndarray) -> tuple:
    """Equal for kernels that are equal up to the sign of output channels."""
    return negative.shape, np.packbits(negative ^ negative[:, :1, :1, :1]).tobytes()


def quantizer(layer: tf.keras.layers.Layer, of: str) -> object:
    """A quantizer of a layer ("input", "kernel", "depthwise"), None where it has none."""
    return getattr(layer, f"{of}_quantizer", None)


def _reason(layer: tf.keras.layers.Layer) -> str:
    if isinstance(layer, (lq.layers.QuantDepthwiseConv2D, lq.layers.QuantSeparableConv2D)):
        return "the engine has no binary depthwise convolution; use a full one"
    inputs = layer.get_weights()[0].shape[2]
    if layer.groups > 1 and inputs % PACKED:
        return f"a group has {inputs} input channels, which must be a multiple of {PACKED}; use no groups"
    for of in ("input", "kernel"):
        name = getattr(quantizer(layer, of), "name", None) or str(quantizer(layer, of))
        if not name.startswith(SIGNS):
            return f"its {of} quantizer is {name}, which is no sign; use one of {', '.join(SIGNS[:2])}"
    return "the converter gave no reason that is known here; --verbosity=1 shows its messages"
