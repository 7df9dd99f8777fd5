"""Batches: a function of seed, epoch and step alone."""

import numpy as np
import pytest
from sample_images import arrays, equal, random_images, write_dataset

from bars_tf.data import pipeline, records
from bars_tf.data.augmentation import Augmentation
from bars_tf.data.image_data import load
from bars_tf.legacy_keras import tf


def test_bilevel_takes_each_half_from_its_part(tmp_path):
    pixels = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None, None], (40, 8, 8, 1))  # its own number
    write_dataset(tmp_path, list(pixels))
    train, _ = load("tiny", tmp_path)
    dataset = pipeline.bilevel(train, 5, seed=1, augment=None)
    assert int(dataset.cardinality()) == 4
    seen = [[np.rint((x[:, 0, 0, 0] * train.std + train.mean) * 255).astype(int) for x, _ in pair] for pair in
            arrays(dataset, -1)]
    weights, alphas = (np.sort(np.concatenate(half)) for half in zip(*seen, strict=True))
    expected = train.split(1, (0.5, 0.5))
    assert np.array_equal(weights, expected[0].indices)
    assert np.array_equal(alphas, expected[1].indices)


def test_parts_of_different_size_give_pairs_of_the_smaller(small):
    dataset = pipeline.bilevel(small[0].split(0, (0.7, 0.2)), 100)
    assert int(dataset.cardinality()) == 14 == pipeline.steps_per_epoch(100, *small[0].split(0, (0.7, 0.2)))
    assert len(arrays(dataset, -1)) == 14


@pytest.mark.parametrize("streamed", [False, True])
def test_seed_and_start_epoch_decide_the_batches(tmp_path, monkeypatch, streamed):
    if streamed:
        monkeypatch.setattr(records, "MEMORY_LIMIT", 0)
    write_dataset(tmp_path, random_images(140, 8, 8, 3))
    train, _ = load("tiny", tmp_path)  # 3 pairs of batches of 20 an epoch
    run = arrays(pipeline.bilevel(train, 20, seed=5, start_epoch=0), 9)
    assert equal(arrays(pipeline.bilevel(train, 20, seed=5, start_epoch=0), 9), run)
    assert equal(arrays(pipeline.bilevel(train, 20, seed=5, start_epoch=2), 3), run[6:])
    assert not equal(run[:3], run[3:6])
    assert not equal(arrays(pipeline.bilevel(train, 20, seed=6, start_epoch=0), 9), run)
    single = arrays(pipeline.batches(train, 50, training=True, seed=5, start_epoch=0), 4)
    assert equal(arrays(pipeline.batches(train, 50, training=True, seed=5, start_epoch=1), 2), single[2:])


@pytest.mark.parametrize("streamed", [False, True])
def test_batches_from_the_middle_of_an_epoch(small, monkeypatch, streamed):
    if streamed:
        monkeypatch.setattr(records, "MEMORY_LIMIT", 0)
        tf.keras.utils.set_random_seed(0)  # as programs do
        small = load("fashion_mnist_small")
    parts = small[0].split(0, (0.5, 0.5))
    whole = [pair[0][0].numpy() for pair in pipeline.bilevel(parts, 64, seed=3, start_epoch=1, steps=4).take(8)]
    rest = pipeline.bilevel(parts, 64, seed=3, start_epoch=1, start_step=3, steps=4)
    rest = [pair[0][0].numpy() for pair in rest.take(5)]
    assert all(np.array_equal(a, b) for a, b in zip(whole[3:], rest, strict=True))
    # Each epoch has its own order from its beginning, where it is ended early too.
    second = next(iter(pipeline.bilevel(parts, 64, seed=3, start_epoch=2)))[0][0].numpy()
    assert np.array_equal(whole[4], second)


def test_shards_of_a_batch_are_the_batch(small):
    train, _ = small
    whole = next(iter(pipeline.batches(train, 12, training=True, start_epoch=1, augment=Augmentation(2, True, 5))))
    for i in range(3):
        part = next(iter(pipeline.batches(train, 12, training=True, start_epoch=1, shard=(i, 3),
                                      augment=Augmentation(2, True, 5))))
        assert all(np.array_equal(a[i::3], b) for a, b in zip(whole, part))
    with pytest.raises(ValueError, match="12 can't be shared by 5"):
        pipeline.batches(train, 12, training=True, shard=(0, 5))


def test_epochs_without_a_number_differ_and_have_a_length(small):
    dataset = pipeline.batches(small[0], 1000, training=True)
    first, second = arrays(dataset, -1), arrays(dataset, -1)
    assert len(first) == len(second) == int(dataset.cardinality()) == 7
    assert not equal(first, second)
    evaluation = pipeline.batches(small[1], 300)
    assert [len(y) for _, y in arrays(evaluation, -1)] == [300] * 6 + [200]
    assert equal(arrays(evaluation, 1), arrays(evaluation, 1))


def test_fit_as_in_a_notebook(small):
    model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(10)])
    model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    history = model.fit(pipeline.batches(small[0], 64, training=True), epochs=2, verbose=0)
    assert history.params["steps"] == 109
    assert model.evaluate(pipeline.batches(small[1], 300), verbose=0)[1] > 0.6


def test_batch_larger_than_a_half(small):
    with pytest.raises(ValueError, match=r"batch size 3501 .* 3500 of 7000 images"):
        pipeline.bilevel(small[0], 3501)
    with pytest.raises(ValueError, match=r"batch size 0 "):
        pipeline.batches(small[0], 0, training=True)
