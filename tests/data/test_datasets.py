"""The embedded data set, and the program that makes it."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image
from sample_images import random_images, write_dataset
from tensorflow_datasets.core.registered import skip_registration

import bars_tf.data

DATASETS = Path(bars_tf.data.__file__).parent / "datasets"


def test_embedded_set_is_balanced_and_small(small):
    train, test = small
    assert (train.num_images, test.num_images, train.num_classes) == (7000, 2000, 10)
    assert train.image_shape == (28, 28, 1)
    assert "Trouser" in train.class_names
    for part in small:
        assert np.ptp(np.bincount(part.records.in_memory[1])) == 0
    directory = DATASETS / "fashion_mnist_small"
    assert sum(file.stat().st_size for file in directory.rglob("*")) < 5e6
    assert "Zalando" in (directory / "LICENSE").read_text()


def test_known_statistics_fit(small):
    mean, std = small[0].records.statistics()
    np.testing.assert_allclose(mean, small[0].mean, atol=0.01)
    np.testing.assert_allclose(std, small[0].std, atol=0.01)


@pytest.fixture(scope="module")
def make():
    """The program as a module, which does not register its data set in place of the embedded one."""
    spec = importlib.util.spec_from_file_location("make_set", ROOT / "tests" / "make_fashion_mnist_small.py")
    module = importlib.util.module_from_spec(spec)
    with skip_registration():
        spec.loader.exec_module(module)
    return module


def test_a_png_of_the_program_is_the_image(make):
    for image in random_images(3, 28, 28) // np.array([1, 8, 64], np.uint8)[:, None, None]:
        assert np.array_equal(Image.open(io.BytesIO(make.encode_png(image))), image)


def test_the_program_makes_a_balanced_subset(make, tmp_path, monkeypatch):
    version = str(make.tfds.builder_cls("fashion_mnist").VERSION)
    write_dataset(tmp_path, random_images(60, 28, 28, 1), name="fashion_mnist", version=version, classes=10)
    monkeypatch.setattr(make, "PER_CLASS", {"train": 3, "test": 2})
    monkeypatch.setattr("sys.argv", ["make", f"--data_dir={tmp_path}", f"--output_dir={tmp_path / 'out'}"])
    make.main()
    made = make.tfds.builder_from_directory(str(tmp_path / "out" / "fashion_mnist_small" / "1.0.0"))
    for split, count in (("train", 3), ("test", 2)):
        examples = list(made.as_dataset(split).as_numpy_iterator())
        assert np.bincount([example["label"] for example in examples]).tolist() == [count] * 10
        originals = {image.tobytes(): i % 10 for i, image in enumerate(random_images(60, 28, 28, 1))}
        assert all(originals[example["image"].tobytes()] == example["label"] for example in examples)
