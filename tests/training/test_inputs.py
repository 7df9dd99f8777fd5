"""Batch sizes that several devices can share."""

import math
from types import SimpleNamespace

import pytest

from bars_tf.data.settings import DataSettings
from bars_tf.data.splits import load_splits
from bars_tf.errors import InputError
from bars_tf.training import inputs


def test_every_device_has_some_of_every_batch():
    """As Keras shares them: of equal number, rounded up, until none are left."""
    for replicas in range(1, 9):
        for num_images in range(1, 40):
            for most in range(1, 20):
                size = inputs.shared_batch_size(num_images, most, replicas)
                good = [size for size in range(1, min(most, num_images) + 1) if all(
                    (replicas - 1) * math.ceil(batch / replicas) < batch
                    for batch in [size] * (num_images // size) + [num_images % size] if batch)]
                assert size == max(good, default=0)


def test_validation_images_that_devices_cannot_share_are_refused():
    images = load_splits(DataSettings(validation_split=0.001))
    inputs.check_sharing(SimpleNamespace(num_replicas_in_sync=4), images)
    with pytest.raises(InputError, match="--validation_split=0.001: leaves 7 images, which 8 devices can't share"):
        inputs.check_sharing(SimpleNamespace(num_replicas_in_sync=8), images)
