"""The proof that a converted network runs binary and computes what was trained."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from bars_tf.cost.deployment import PACKED
from bars_tf.export import conversion
from bars_tf.export.agreement import CLOSE_SHARE, SAME_CLASS_SHARE, Agreement, agreement, predict
from bars_tf.export.tflite_file import Contents, Operation, parse
from bars_tf.legacy_keras import lq, tf

SIGNS = ("ste_sign", "approx_sign", "swish_sign", "magnitude_aware_sign")
CONVOLUTIONS = (tf.keras.layers.Conv2D, tf.keras.layers.Conv2DTranspose, tf.keras.layers.DepthwiseConv2D,
                tf.keras.layers.SeparableConv2D)


class Proof(NamedTuple):
    """The findings about a deployment file."""

    contents: Contents  # operations of the file
    agreement: Agreement  # with the trained model
    rounded: Agreement  # with the model that rounds as the engine does
    problems: tuple[str, ...]  # a line each, empty for a file that is proven

    def to_dict(self) -> dict[str, Any]:
        return {**self.contents.to_dict(), "agreement": self.agreement._asdict(),
                "agreement_rounded_as_engine": self.rounded._asdict(), "problems": list(self.problems)}


def prove(model: tf.keras.Model, fusible: tf.keras.Model, converted: bytes, images: np.ndarray,
          logits: np.ndarray) -> Proof:
    """Examines a deployment file and runs it on images [images, height, width, channels].

    Args:
        model: the trained network.
        fusible: the same, arranged by `conversion.fusible`, from which the file was converted.
        logits: of the model for these images, [images, classes].
    """
    contents = parse(converted)
    problems, in_file = fallbacks(model, contents), conversion.interpreter(converted)(images)
    found = agreement(logits, in_file)
    rounded = agreement(predict(conversion.with_engine_rounding(fusible), images), in_file)
    if not (found.holds or rounded.holds):
        problems.append(f"the file does not compute what was trained: {found}; needed are {CLOSE_SHARE:.0%} and "
                        f"{SAME_CLASS_SHARE:.0%}")
    return Proof(contents, found, rounded, tuple(problems))


def fallbacks(model: tf.keras.Model, contents: Contents) -> list[str]:
    """Differences between a file and the binary network `model`: a line each, with layer, reason and remedy.

    Every convolution of the model with a kernel quantizer has to be one LceBconv2d with the signs of its kernel, and
    the numbers of float convolutions must be equal. Where only the sign of a result is used, the converter may negate
    the kernel of an output channel and reverse its threshold, which is equivalent. Of layers with equal signs one is
    enough: on the same input the converter computes them once, and if another one were float, the number of float
    convolutions would differ.
    """
    unmatched = Counter(_key(_signs(operation)) for operation in contents.operations if operation.is_binary)
    lines, floats, matched = [], 0, set()
    for layer in model.layers:
        if not isinstance(layer, CONVOLUTIONS):
            continue
        if all(getattr(layer, f"{of}_quantizer", None) is None for of in ("kernel", "depthwise")):
            floats += 1
        elif unmatched[key := _key(np.moveaxis(layer.get_weights()[0] < 0, -1, 0))]:
            unmatched[key] -= 1
            matched.add(key)
        elif key not in matched:
            lines.append(f"layer {layer.name} is no LceBconv2d: {_reason(layer)}")
    in_file = [op for op in contents.operations if op.is_float_convolution]
    if not lines and len(in_file) != floats:
        lines.append(f"{len(in_file)} float convolutions instead of {floats}: {', '.join(op.name for op in in_file)}")
    if not lines and (surplus := unmatched.total()):
        lines.append(f"{surplus} binary convolutions that are no layers of the network")
    return lines


def _signs(operation: Operation) -> np.ndarray:
    """Whether each weight of an LceBconv2d is negative, bool [outputs, height, width, inputs]; 32 inputs are packed."""
    data = np.ascontiguousarray(operation.kernel).view(np.uint8)
    return np.unpackbits(data, axis=-1, bitorder="little")[..., : operation.input_channels].astype(bool)


def _key(negative: np.ndarray) -> tuple:
    """Equal for kernels that are equal up to the sign of output channels."""
    return negative.shape, np.packbits(negative ^ negative[:, :1, :1, :1]).tobytes()


def _reason(layer: tf.keras.layers.Layer) -> str:
    if isinstance(layer, (lq.layers.QuantDepthwiseConv2D, lq.layers.QuantSeparableConv2D)):
        return "the engine has no binary depthwise convolution; use a full one"
    inputs = layer.get_weights()[0].shape[2]
    if layer.groups > 1 and inputs % PACKED:
        return f"a group has {inputs} input channels, which must be a multiple of {PACKED}; use no groups"
    for of in ("input", "kernel"):
        quantizer = getattr(layer, f"{of}_quantizer", None)
        name = getattr(quantizer, "name", None) or str(quantizer)
        if not name.startswith(SIGNS):
            return f"its {of} quantizer is {name}, which is no sign; use one of {', '.join(SIGNS[:2])}"
    return "the converter gave no reason that is known here; --verbosity=1 shows its messages"
