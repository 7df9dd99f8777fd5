"""Records: streamed images equal those in memory, and a damaged record is named."""

import numpy as np
import pytest
from PIL import Image
from sample_images import arrays, equal, random_images, write_dataset, write_folder

from bars_tf.data import pipeline, records
from bars_tf.data.folder import from_folder
from bars_tf.data.image_data import load
from bars_tf.legacy_keras import tf


def test_images_that_stream_are_those_in_memory(small, monkeypatch):
    monkeypatch.setattr(records, "MEMORY_LIMIT", 0)
    streamed = load("fashion_mnist_small")[1]
    assert streamed.records.in_memory is None
    assert equal(arrays(pipeline.batches(streamed, 300), -1), arrays(pipeline.batches(small[1], 300), -1))
    part = load("fashion_mnist_small")[0].split(0, (0.01,))[0]
    order = np.sort(np.concatenate([y for _, y in arrays(pipeline.batches(part, 7, training=True), -1)]))
    assert np.array_equal(order, np.sort(small[0].records.in_memory[1].numpy()[part.indices]))


def test_label_out_of_range_is_named(tmp_path):
    write_dataset(tmp_path, random_images(6, 8, 8, 1), {"train": [0, 1, 2, 0, 7, 1]}, splits=("train",))
    with pytest.raises(ValueError, match=r"record 4 of .*tiny-train.* has label 7, where 0 to 2 are allowed"):
        load("tiny", tmp_path)


@pytest.mark.parametrize(("change", "reason"), [("flip", r"record \d is damaged|record \d of .* is damaged"),
                                                ("cut", "damaged"), ("remove", "tiny-train"), ("empty", "0 of 6")])
def test_damaged_file_is_named(tmp_path, change, reason):
    (file,) = write_dataset(tmp_path, random_images(6, 8, 8, 1), splits=("train",)).glob("tiny-train*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    if change == "remove":
        file.unlink()
    else:
        file.write_bytes({"flip": content, "cut": content[:-20], "empty": b""}[change])
    with pytest.raises(ValueError, match=reason) as caught:
        pipeline.batches(load("tiny", tmp_path)[0], 2)
    assert file.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_image_of_another_size_is_named(tmp_path):
    directory = write_dataset(tmp_path, random_images(4, 8, 8, 1), splits=("train",))
    features = directory / "features.json"
    features.write_text(features.read_text().replace('"8"', '"9"'))
    with pytest.raises(ValueError, match=r"record 0 of .*tiny-train"):
        load("tiny", tmp_path)


@pytest.mark.parametrize("size", [(1, 3000), (3000, 2), (3001, 1)])
def test_thin_images_are_not_enlarged_before_they_are_cropped(tmp_path, monkeypatch, size):
    """One of 1x100000 pixels would need gigabytes (image-rs#3083, nunif#256)."""
    write_folder(tmp_path, ["a", "b"], 3)
    pixels = np.full(size[::-1], 7, np.uint8)
    middle = pixels.shape[0] // 2 - 8, pixels.shape[1] // 2 - 8
    pixels[max(middle[0], 0):middle[0] + 16, max(middle[1], 0):middle[1] + 16] = 200
    Image.fromarray(pixels).save(tmp_path / "a" / "thin.png")
    resize, sizes = tf.image.resize, []
    monkeypatch.setattr(tf.image, "resize", lambda image, size, **options: sizes.append(size) or resize(
        image, size, **options))
    data = from_folder(tmp_path, image_size=8)[0].records
    shown = data.resize(tf.constant(pixels[..., None])).numpy()
    assert sizes[-1].numpy().max() <= 16 * max(data.shape)
    assert shown.shape == data.shape and (shown == 200).all()
