"""Fixtures of the image data."""

import pytest

from bars_tf.data.image_data import load


@pytest.fixture(scope="session")
def small():
    """Training and test images of the embedded data set."""
    return load("fashion_mnist_small")
