"""Image data: loading, sizes and splits."""

import numpy as np
import pytest
from sample_images import arrays, random_images, write_dataset

from bars_tf.data import pipeline
from bars_tf.data.image_data import load


def test_parts_are_disjoint_and_together_whole(small):
    train, _ = small
    parts = train.split(3, (0.5, 0.4, 0.1))
    assert [part.num_images for part in parts] == [3500, 2800, 700]
    assert np.array_equal(np.sort(np.concatenate([part.indices for part in parts])), train.indices)
    again, other = train.split(3, (0.5, 0.4, 0.1)), train.split(4, (0.5, 0.4, 0.1))
    assert [part.sha256 for part in again] == [part.sha256 for part in parts]
    assert not {part.sha256 for part in other} & {part.sha256 for part in parts}
    assert len(parts[0].sha256) == 64
    with pytest.raises(ValueError, match="sum to 1"):
        train.split(0, (0.5, 0.6))
    with pytest.raises(ValueError, match="too few"):
        parts[2].split(0, (0.9999, 0.0001))


@pytest.mark.parametrize("shape", [(8, 8, 3), (13, 17, 1), (31, 31, 3), (96, 64, 3)])
def test_sizes_and_channels(tmp_path, shape):
    write_dataset(tmp_path, random_images(12, *shape))
    train, test = load("tiny", tmp_path)
    assert train.image_shape == shape
    (x, y), = arrays(pipeline.batches(train, 12, training=True), 1)
    assert (x.shape, x.dtype, y.dtype) == ((12, *shape), np.float32, np.int32)
    (x, y), = arrays(pipeline.batches(test, 20), 1)
    pixels = (x * np.array(train.std) + np.array(train.mean)) * 255
    np.testing.assert_allclose(pixels, random_images(12, *shape), atol=1e-2)
    assert y.tolist() == [0, 1, 2] * 4
    assert abs(x.mean()) < 1e-3
    assert abs(x.std() - 1) < 1e-2


def test_varying_sizes_need_a_size(tmp_path):
    shapes = [(20, 30, 3), (40, 24, 3), (9, 9, 3), (64, 64, 3)]
    write_dataset(tmp_path, [random_images(1, *shape)[0] for shape in shapes], shape=(None, None, 3))
    with pytest.raises(ValueError, match="vary in size"):
        load("tiny", tmp_path)
    train, test = load("tiny", tmp_path, image_size=24)
    assert arrays(pipeline.batches(train, 4, training=True), 1)[0][0].shape == (4, 24, 24, 3)
    assert arrays(pipeline.batches(test, 4), 1)[0][0].shape == (4, 24, 24, 3)
    assert train.default_augmentation.crop_padding == 0


def test_another_size_on_demand(small):
    train, _ = load("fashion_mnist_small", image_size=14)
    assert arrays(pipeline.batches(train, 4, training=True), 1)[0][0].shape == (4, 14, 14, 1)
    with pytest.raises(ValueError, match="8 pixels"):
        load("fashion_mnist_small", image_size=4)
