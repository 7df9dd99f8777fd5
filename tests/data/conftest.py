"""Fixtures of the image data."""

import pytest

from bars_tf.data.image_data import load


@pytest.fixture(scope="session")
def small():
    """Training and test images of the embedded data set, in memory whatever limit a test sets."""
    splits = load("fashion_mnist_small")
    assert all(split.records.in_memory is not None for split in splits)
    return splits
