"""Data sets of TFDS: splits, and what is refused."""

import time

import numpy as np
import pytest
from sample_images import random_images, write_dataset

from bars_tf.data.folder import from_folder
from bars_tf.data.image_data import load
from bars_tf.data.tfds import tfds


def test_test_images_where_there_is_no_split_for_them(tmp_path):
    write_dataset(tmp_path, random_images(20, 8, 8, 1), splits=("train",), name="only_train")
    train, test = load("only_train", tmp_path)
    assert (train.num_images, test.num_images) == (16, 4)
    write_dataset(tmp_path, random_images(6, 8, 8, 1), splits=("train", "validation"), name="with_validation")
    assert load("with_validation", tmp_path)[1].records.split == "validation"
    write_dataset(tmp_path, random_images(6, 8, 8, 1), {"test": [-1] * 6}, name="secret",
                  splits=("test", "train", "validation"))
    assert load("secret", tmp_path)[1].records.split == "validation"
    write_dataset(tmp_path, random_images(6, 8, 8, 1), splits=("test",), name="no_train")
    with pytest.raises(ValueError, match="no split train"):
        load("no_train", tmp_path)


def test_missing_set_says_so_at_once(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"'mnist' is not in .*no network.*--data_dir") as caught:
        load("mnist", tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"unknown.*did you mean cifar10 "):
        load("cifra10", tmp_path)
    with pytest.raises(ValueError, match="Not A Name"):
        load("Not A Name", tmp_path)
    assert time.monotonic() - start < 10


def test_a_user_without_a_home_directory(monkeypatch):
    """As `docker run --user` makes one."""
    def no_entry(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", no_entry)
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", "~/tensorflow_datasets")  # read at its import
    assert load("fashion_mnist_small")[0].num_images > 0
    for data_dir in (None, "~/images"):
        with pytest.raises(ValueError, match="~.* needs a home directory, and there is none: .*--data_dir"):
            load("mnist", data_dir)
    with pytest.raises(OSError, match="~/images"):
        from_folder("~/images")


def test_set_of_another_kind(tmp_path):
    other = tfds.features.FeaturesDict({"x": tfds.features.Scalar(np.int64)})
    write_dataset(tmp_path, random_images(2, 8, 8, 1), features=other)
    with pytest.raises(ValueError, match="not one for image classification.* has x"):
        load("tiny", tmp_path)
