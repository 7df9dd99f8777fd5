"""Augmentation: what each step may change, and that the key alone decides it."""

import numpy as np
import pytest
from sample_images import random_images

from bars_tf.data.augmentation import Augmentation, cutout, normalise, prepare_for_training, random_crop_and_flip
from bars_tf.legacy_keras import tf


def test_crop_and_flip_only_move_pixels():
    image = random_images(1, 9, 7, 3)
    batch = np.repeat(image, 1000, axis=0)
    key = tf.constant([1, 2], tf.int64)
    padded = np.pad(image[0], ((2, 2), (2, 2), (0, 0)))
    crops = [padded[y : y + 9, x : x + 7] for y in range(5) for x in range(5)]
    possible = {crop.tobytes() for crop in crops} | {crop[:, ::-1].tobytes() for crop in crops}
    changed = random_crop_and_flip(tf.constant(batch), (9, 7), Augmentation(2, flip=True), key).numpy()
    assert {image.tobytes() for image in changed} <= possible
    assert len({image.tobytes() for image in changed}) == 50  # every one of them among 1,000
    unflipped = random_crop_and_flip(tf.constant(batch), (9, 7), Augmentation(), key)
    assert np.array_equal(unflipped, batch)
    with pytest.raises(ValueError, match="crop_padding"):
        Augmentation(crop_padding=-1)


def test_augmentation_depends_on_the_key_alone():
    batch = tf.constant(random_images(6, 12, 12, 3))
    settings = ((12, 12), (0.5,) * 3, (0.2,) * 3, Augmentation(3, flip=True, cutout=4))
    first, again = (prepare_for_training(batch, *settings, tf.constant([7, 8], tf.int64)) for _ in range(2))
    other = prepare_for_training(batch, *settings, tf.constant([7, 9], tf.int64))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_cutout_is_one_square():
    holes = cutout(tf.ones((300, 10, 14, 2)), 4, tf.constant([0, 1], tf.int64)).numpy() == 0
    assert np.array_equal(holes[..., 0], holes[..., 1])
    rows, columns = holes[..., 0].any(axis=2).sum(axis=1), holes[..., 0].any(axis=1).sum(axis=1)
    assert np.array_equal(holes[..., 0].sum(axis=(1, 2)), rows * columns)
    assert (rows.max(), columns.max()) == (4, 4)
    assert min(rows.min(), columns.min()) == 2  # at most half of it is beyond the border


def test_normalisation_is_per_channel():
    batch = np.zeros((1, 1, 2, 3), np.uint8)
    batch[0, 0, 1] = 255
    result = normalise(tf.constant(batch), (0.5, 0.25, 0.0), (0.5, 0.25, 1.0)).numpy()
    np.testing.assert_allclose(result[0, 0], [[-1, -1, 0], [1, 3, 1]], atol=1e-6)
