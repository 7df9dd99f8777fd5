"""Image data from a Python function."""

import numpy as np
import pytest

from bars_tf.data.function import from_function
from bars_tf.data.pipeline import batches
from bars_tf.legacy_keras import tf


def test_a_function_that_returns_tf_data(rng):
    images = rng.integers(0, 256, (40, 14, 14, 3), dtype=np.uint8)
    labels = np.arange(40) % 3

    def load(split):
        part = slice(0, 30) if split == "train" else slice(30, 40)
        return tf.data.Dataset.from_tensor_slices((images[part], labels[part]))

    train, test = from_function(load, ["a", "b", "c"])
    assert (train.num_images, test.num_images, train.image_shape) == (30, 10, (14, 14, 3))
    assert test.class_names == ("a", "b", "c")
    x, y = next(iter(batches(test, 10)))
    assert y.numpy().tolist() == labels[30:].tolist()
    raw = x.numpy() * np.array(test.std) + np.array(test.mean)
    assert np.abs(raw * 255 - images[30:]).max() < 1e-2
    small, _ = from_function(load, image_size=8)
    assert next(iter(batches(small, 5, training=True)))[0].shape == (5, 8, 8, 3)


@pytest.mark.parametrize("change, words", [
    (lambda d: d.batch(2), "not batched"), (lambda d: d.take(0), "no images"),
    (lambda d: d.map(lambda x, y: (tf.cast(x, tf.float32), y)), "uint8"), (lambda d: 3, "int"),
    (lambda d: d.map(lambda x, y: (x, y - 5)), "counts? from 0|labels count"),
    (lambda d: d.map(lambda x, y: (x, y + 9)), "labels go up to"), (lambda d: d.repeat(), "'train' is infinite"),
    # By default, tf.data shuffles anew at each iteration (tensorflow#59279).
    (lambda d: d.shuffle(6), "'train' has another order each time: .*reshuffle_each_iteration=False"),
    (lambda d: tf.data.Dataset.choose_from_datasets([d.repeat()], tf.data.Dataset.range(1).repeat()), "is infinite"),
])
def test_bad_functions(change, words):
    dataset = tf.data.Dataset.from_tensor_slices((np.zeros((6, 9, 9, 1), np.uint8), np.arange(6) % 2))
    tf.random.set_seed(0)
    with pytest.raises(ValueError, match=words):
        from_function(lambda split: change(dataset), ["a", "b"])


def test_an_order_that_is_shuffled_once():
    images = np.arange(6 * 81, dtype=np.uint8).reshape(6, 9, 9, 1)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(6) % 2))
    shuffled = from_function(lambda split: dataset.shuffle(6, seed=1, reshuffle_each_iteration=False))
    assert [part.num_images for part in shuffled] == [6, 6]


def test_a_data_set_that_does_not_know_that_it_is_infinite(monkeypatch, capfd):
    monkeypatch.setattr("bars_tf.data.function.COUNTED", 3)
    dataset = tf.data.Dataset.from_tensor_slices((np.zeros((6, 9, 9, 1), np.uint8), np.arange(6) % 2))
    from_function(lambda split: dataset.filter(lambda x, y: True))
    assert "'train' has 3 images so far; it must not be infinite" in capfd.readouterr().err
