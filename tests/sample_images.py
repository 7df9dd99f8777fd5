"""Image data sets that tests write, and comparison of batches."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from bars_tf.data.tfds import tfds
from bars_tf.legacy_keras import tf


def write_dataset(directory, images, labels=None, *, name="tiny", version="1.0.0", shape=None, classes=3,
                  splits=("train", "test"), features=None):
    """Prepares a TFDS data set of these images, the same in each split; `labels` may replace those of a split."""
    def examples(split):
        chosen = (labels or {}).get(split, np.arange(len(images)) % classes)
        for i, (image, label) in enumerate(zip(images, chosen, strict=True)):
            content = io.BytesIO(tf.io.encode_png(image).numpy())
            yield i, {"image": content, "label": label} if features is None else {"x": 1}

    shape = images[0].shape if shape is None else shape
    label = tfds.features.ClassLabel(num_classes=classes)
    label.encode_example = int  # skips the check of the range, to write damaged data sets
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=version,
        features=features or tfds.features.FeaturesDict({"image": tfds.features.Image(shape=shape), "label": label}),
        split_datasets={split: examples(split) for split in splits},
        data_dir=str(directory),
        disable_shuffling=True,
    )
    return Path(directory) / name / version


def write_folder(directory, names, count, size=(12, 10), seed=0, mode="L"):
    """Writes image files in a folder per class; the mean of an image tells its class."""
    rng = np.random.default_rng(seed)
    for label, name in enumerate(names):
        (directory / name).mkdir(parents=True)
        for i in range(count):
            shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
            pixels = rng.integers(60 * label, 60 * label + 60, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(directory / name / f"{i}.png")


def random_images(count, *shape):
    return np.random.RandomState(0).randint(0, 256, (count, *shape), np.uint8)


def arrays(dataset, count):
    return [tf.nest.map_structure(lambda tensor: tensor.numpy(), element) for element in dataset.take(count)]


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True))


def golden_images(dataset):
    """The first test images uint8 [500, H, W, C] of a data set and their labels [500]."""
    features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
    rows = [tf.io.parse_single_example(record, features)
            for record in tf.data.TFRecordDataset(str(Path(__file__).parent / "golden_images" / f"{dataset}.tfrecord"))]
    return np.stack([tf.io.decode_image(row["image"]) for row in rows]), np.array([row["label"] for row in rows])
