"""Packed kernels, and batch norms as thresholds of signs."""

import numpy as np
import pytest

from bars_tf.export.plain_c import constants


def test_bits_stand_from_the_lowest():
    kernel = -np.ones((3, 3, 5, 2), np.float32)  # 45 signs
    kernel[0, 0, 0, 0] = kernel[0, 0, 1, 1] = kernel[2, 2, 4, 1] = 0.5
    kernel[0, 1, 0, 1] = -0.0  # is not negative
    assert constants.packed_kernels(kernel).tolist() == [[1, 0], [2 | 1 << 5, 1 << 12]]


@pytest.mark.parametrize("relu", [False, True])
def test_thresholds_are_exact(relu, rng):
    """At the threshold and at the floats beside it, for both signs of gamma, for none, and where rounding decides."""
    size = 300
    scale = (rng.normal(size=size) * 10.0 ** rng.integers(-12, 12, size)).astype(np.float32)
    offset = (rng.normal(size=size) * 10.0 ** rng.integers(-12, 12, size)).astype(np.float32)
    scale[:20], offset[10:30] = 0, 0
    scale[5:10] = -0.0
    limits, flips = constants.thresholds(scale, offset, relu)
    flipped = np.unpackbits(flips.view(np.uint8), bitorder="little")[:size].astype(bool)
    with np.errstate(over="ignore"):
        beside = [np.nextafter(limits, np.float32(end)) for end in (-np.inf, np.inf)]
    sums = np.repeat(np.arange(-144, 145, dtype=np.float32)[:, None], size, 1)
    x = np.stack([limits, *beside, *rng.normal(size=(20, size)).astype(np.float32), -0 * limits, *sums])
    with np.errstate(over="ignore", invalid="ignore"):
        expected = (np.maximum(x, np.float32(0)) if relu else x) * scale + offset >= 0
    possible = abs(x) < constants.LARGEST
    assert possible.mean() > 0.9 and 0.2 < expected.mean() < 0.8
    np.testing.assert_array_equal(((x >= limits) != flipped)[possible], expected[possible])


def test_scale_and_offset_are_batch_norm(rng):
    gamma, beta, mean, variance = values = rng.normal(size=(4, 6)).astype(np.float32)
    variance **= 2
    kernels = [rng.normal(size=(3, 3, 8, 3)).astype(np.float32) for _ in range(2)]
    x = rng.normal(size=(50, 6))
    factors = np.concatenate([abs(kernel).mean((0, 1, 2)) for kernel in kernels])
    for given, y in (((), x), (kernels, x * factors)):
        scale, offset = constants.scale_and_offset(values, given)
        np.testing.assert_allclose(x * scale + offset, (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 1e-5, 1e-5)
