"""The images of a run, by its settings."""

import dataclasses

import pytest
from sample_images import random_images, write_dataset, write_folder

from bars_tf.data import records
from bars_tf.data.augmentation import Augmentation
from bars_tf.data.image_data import load
from bars_tf.data.pipeline import batches, bilevel
from bars_tf.data.settings import DataSettings
from bars_tf.data.splits import load_splits, reading
from bars_tf.errors import InputError


def test_damage_that_is_found_while_images_stream(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MEMORY_LIMIT", 0)
    directory = write_dataset(tmp_path, random_images(60, 8, 8, 1))
    train, _ = load("tiny", tmp_path)
    (file,) = directory.glob("tiny-train*")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"--dataset=tiny: .*record 59 of .*tiny-train.* is damaged"), \
            reading(train):
        list(batches(train, 8))


@pytest.mark.parametrize("settings, words", [
    ({"validation_split": 1e-5}, "--validation_split=1e-05: .*too few"),
    ({"crop_padding": 29}, "--crop_padding=29: must be at most 28"),
    ({"cutout": 17, "image_size": 16}, "--cutout=17: must be at most --image_size=16"),
    ({"dataset": "cifar_10"}, "--dataset=cifar_10: .*did you mean cifar10"),
    ({"image_dir": "/nowhere"}, "--image_dir=/nowhere: No such file"),
    ({"image_dir": "/nowhere", "validation_split": "val"}, "--validation_split=val: must be a fraction: only data"),
    ({"validation_split": "test"}, "--validation_split=test: must be a fraction: data set fashion_mnist_small has no"),
])
def test_settings_that_the_images_do_not_allow(settings, words):
    with pytest.raises(InputError, match=words):
        load_splits(DataSettings(**settings))


def test_the_split_seed_selects_the_validation_images():
    first, again, other = (load_splits(DataSettings(split_seed=seed)).validation.indices for seed in (0, 0, 1))
    assert list(first) == list(again) != list(other)


def test_validation_images_can_be_a_split_of_the_data_set(tmp_path):
    write_dataset(tmp_path, random_images(12, 8, 8, 1), {"tuning": [0] * 12}, splits=("train", "tuning", "test"))
    found = load_splits(DataSettings(dataset="tiny", data_dir=str(tmp_path), validation_split="tuning"))
    assert [set(part.records.in_memory[1].numpy()) for part in found[:3]] == [{0, 1, 2}, {0}, {0, 1, 2}]
    with pytest.raises(InputError, match="--validation_split=valid: must be a fraction, or of data set tiny one of t"):
        load_splits(DataSettings(dataset="tiny", data_dir=str(tmp_path), validation_split="valid"))


def test_settings_change_the_default_augmentation():
    images = load_splits(DataSettings(flip=False, cutout=3))
    assert images.augmentation == Augmentation(images.train.default_augmentation.crop_padding, False, 3)
    assert (images.image_shape, images.num_classes) == ((28, 28, 1), 10)


@pytest.mark.parametrize("limit", [2 * 10**9, 0])
def test_balanced_classes(tmp_path, monkeypatch, limit):
    """Each class has the same sum of weights over the training images, streamed or not; test images have none."""
    monkeypatch.setattr(records, "MEMORY_LIMIT", limit)
    labels = [0] * 40 + [1] * 10 + [2] * 10
    write_dataset(tmp_path / "tfds", random_images(60, 8, 8, 1), {"train": labels, "test": labels}, classes=4)
    for name, count in (("a", 40), ("b", 10), ("c", 10)):
        write_folder(tmp_path / "own", [name], count)
    for source in ({"dataset": "tiny", "data_dir": str(tmp_path / "tfds")}, {"image_dir": str(tmp_path / "own")}):
        splits = load_splits(DataSettings(class_weights="balanced", **source))
        assert load_splits(DataSettings(**source)).train.class_weights is None and splits.test.class_weights is None
        assert splits.validation.class_weights == splits.train.class_weights == splits.train.split(0, (0.5,))[
            0].class_weights
        found = {}
        for images, numbers, weights in batches(splits.train, 7):
            assert images.shape[0] == len(weights)
            for label, weight in zip(numbers.numpy(), weights.numpy()):
                found.setdefault(label, []).append(weight)
        sums = [sum(values) for values in found.values()]
        assert sums == pytest.approx([splits.train.num_images / 3] * 3)
        (*_, first), (*_, second) = next(iter(bilevel(splits.train, 4)))
        assert first.shape == second.shape == (4,)


def test_a_class_whose_last_training_images_became_validation_images(tmp_path, capfd):
    """It is named, and has no weight: that of one image would decide the validation accuracy alone."""
    write_folder(tmp_path, ["a", "b"], 10)
    write_folder(tmp_path, ["c"], 2)
    settings = DataSettings(image_dir=str(tmp_path), validation_split=0.4, class_weights="balanced")
    found = [load_splits(dataclasses.replace(settings, split_seed=seed)) for seed in range(8)]
    missing = [2 not in splits.train.records.labels[splits.train.indices] for splits in found]
    assert 0 < sum(missing) < 8 and capfd.readouterr().err.count("no training images, such as 'c'") == sum(missing)
    for splits, is_missing in zip(found, missing):
        assert (splits.train.class_weights[2] == 0) == is_missing and min(splits.train.class_weights[:2]) > 0
