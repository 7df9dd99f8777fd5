"""The tables of a network in C: packed kernels, factors of batch norms, thresholds."""

from collections.abc import Callable, Sequence

import numpy as np

from bars_tf.network.keras_network import BATCH_NORM

LARGEST = np.finfo(np.float32).max


def words(bits: int) -> int:
    """The number of words of 32 bits that hold these bits."""
    return -(-bits // 32)


def packed(bits: np.ndarray) -> np.ndarray:
    """Bits [rows, bits] as uint32 [rows, words], the first one as the lowest."""
    rows, length = bits.shape
    padded = np.zeros((rows, 32 * words(length)), bool)
    padded[:, :length] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def packed_kernels(kernel: np.ndarray) -> np.ndarray:
    """The signs of a kernel [height, width, inputs, outputs], 1 where it is not negative, [outputs, words]."""
    return packed(kernel.reshape(-1, kernel.shape[-1]).T >= 0)


def scale_and_offset(batch_norm: Sequence[np.ndarray], scaled_kernels: Sequence[np.ndarray] = ()
                     ) -> tuple[np.ndarray, np.ndarray]:
    """Batch norm as x * scale + offset, float32 [channels].

    Args:
        batch_norm: gamma, beta, mean, variance.
        scaled_kernels: kernels [height, width, inputs, outputs] whose signs give x, and whose mean magnitudes are
            factors of x.
    """
    gamma, beta, mean, variance = (values.astype(np.float64) for values in batch_norm)
    scale = gamma / np.sqrt(variance + BATCH_NORM["epsilon"])
    offset = beta - mean * scale
    if scaled_kernels:
        scale = scale * np.concatenate([abs(kernel).mean((0, 1, 2), np.float64) for kernel in scaled_kernels])
    return scale.astype(np.float32), offset.astype(np.float32)


def thresholds(scale: np.ndarray, offset: np.ndarray, relu: bool) -> tuple[np.ndarray, np.ndarray]:
    """For which float32 x the result of batch norm, behind a ReLU or not, is not negative: exactly, with its rounding.

    Returns:
        limits float32 [channels], flips uint32 [words]: where x >= limit, and where that is false if the bit is set.
    """
    flip = scale < 0

    def holds(x: np.ndarray) -> np.ndarray:  # false, then true, as x increases
        x = np.maximum(x, np.float32(0)) if relu else x
        with np.errstate(over="ignore"):
            return (x * scale + offset >= 0) != flip

    limits = first_float(holds, len(scale))
    return limits, packed(flip[None])[0]


def first_float(holds: Callable[[np.ndarray], np.ndarray], size: int) -> np.ndarray:
    """The least float32 [size] for which a monotone condition holds, by bisection; LARGEST, which no sum
    reaches, if there is none."""
    # Numbers that have the order of the floats.
    high = np.full(size, LARGEST.view(np.int32), np.int64)
    low = -high - 1
    while (high - low > 1).any():
        middle = (low + high + 1) // 2  # of neighbours the upper one, never the one below all floats
        found = holds(_float(middle))
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    return _float(high)


def _float(number: np.ndarray) -> np.ndarray:
    """The float of a number: those of negative numbers are negative."""
    return np.copysign(abs(number).astype(np.int32).view(np.float32), number).astype(np.float32)
