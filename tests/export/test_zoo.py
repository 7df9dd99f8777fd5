"""The named networks: their table, their weights, and the accuracy that they had."""

import shutil

import numpy as np
import pytest
from helpers import ROOT
from sample_images import golden_images

import bars_tf as bars
from bars_tf.errors import FieldError
from bars_tf.export import named
from bars_tf.export.zoo import GOLDEN_IMAGES, prepared_for
from bars_tf.files import read_json, sha256
from bars_tf.space.genotype import made_for

NAMES = named.names()


@pytest.mark.parametrize("name", NAMES)
def test_stored_accuracy(name):
    """Of 500 test images a network gets right as many as when it was stored; another processor rounds otherwise, which
    flips signs and with them the class of few."""
    summary = read_json(named.directory(name) / "summary.json")
    images, labels = golden_images(summary["dataset"])
    assert len(labels) == GOLDEN_IMAGES
    logits = bars.zoo.load(name).predict(bars.zoo.preprocess_input(name, images), verbose=0)
    correct = (logits.argmax(-1) == labels).sum()
    assert abs(correct - summary["golden_correct"]) <= 5
    assert abs(correct / GOLDEN_IMAGES - summary["test_accuracy"]) < 0.06  # three standard deviations


@pytest.mark.parametrize("name", NAMES)
def test_files(name):
    """Only plain data, as large as a package may be."""
    directory = named.directory(name)
    assert sorted(path.name for path in directory.iterdir()) == ["genotype.json", "summary.json", "weights.npz"]
    assert (directory / "weights.npz").stat().st_size <= 200_000
    assert not any(values.dtype.hasobject for values in np.load(directory / "weights.npz", allow_pickle=False).values())


def test_all_files_are_small_and_listed():
    files = [path for path in named.DIRECTORY.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 3_000_000
    assert sorted(path.name for path in named.DIRECTORY.iterdir()) == sorted([*NAMES, "index.json"])


def test_table():
    rows = bars.zoo.list()
    assert [row.name for row in rows] == NAMES
    for row in rows:
        assert row.milliseconds > 0 and row.peak_bytes > 0 and row.command.startswith("bin/")
    lines = str(rows).splitlines()
    assert len(lines) == len(rows) + 1 and lines[1].startswith(rows[0].name) and repr(rows) == str(rows)


def test_the_page_has_the_table():
    page = (ROOT / "docs" / "guide" / "networks.md").read_text()
    for n in bars.zoo.list():
        numbers = " | ".join(f"{value:,.0f}" for value in (n.bops, n.flops, n.size_bytes, n.peak_bytes))
        assert (f"| `{n.name}` | {n.data} | {'x'.join(map(str, n.input_shape))} | {n.test_accuracy:.2%} | {numbers} | "
                f"{n.milliseconds:.2f} |") in page
    assert page.count("| `") == len(NAMES)


def test_load_for_other_images(rng):
    """Other classes get a new classifier, other sizes keep all weights."""
    name = NAMES[0]
    values = read_json(named.directory(name) / "genotype.json")
    shape, classes = made_for(values)
    usual, larger, other = bars.zoo.load(name), bars.zoo.load(name, input_shape=(48, 40, shape[2])), bars.zoo.load(
        name, num_classes=classes + 1)
    assert larger.input_shape == (None, 48, 40, shape[2]) and other.output_shape == (None, classes + 1)
    for a, b in zip(usual.get_weights(), larger.get_weights()):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(usual.layers[:-1], other.layers[:-1]):
        for x, y in zip(a.get_weights(), b.get_weights()):
            np.testing.assert_array_equal(x, y)
    data = named.dataset(name)
    np.testing.assert_array_equal(bars.zoo.load(name, weights=data).get_weights()[0], usual.get_weights()[0])
    untrained = bars.zoo.load(name, weights=None, input_shape=(32, 32, 5 - shape[2]))
    assert untrained.input_shape == (None, 32, 32, 5 - shape[2])


def test_binary_kernels_are_as_ready_to_change_as_initial_ones():
    """With the magnitudes of trained latent weights twenty epochs ended far below a training from random weights."""
    for layer in bars.zoo.load(NAMES[0]).layers:
        if hasattr(layer, "kernel_quantizer"):
            magnitudes, initial = np.abs(layer.get_weights()[0]), layer.kernel_initializer(layer.kernel.shape)
            assert np.ptp(magnitudes) == 0 and 0.8 < magnitudes.mean() / np.std(initial) < 1.25


@pytest.mark.parametrize(("arguments", "words"), [
    (("cifar10_4n",), "did you mean"), (("nothing",), "must be one of"), ((NAMES[0], "imagenet"), "or None"),
    ((NAMES[0], "trained", 10, (32, 32, 2)), "give weights=None"), ((None,), "network=None: must be one of"),
    ((NAMES[0], None, 0), "num_classes=0: must be"), ((NAMES[0], None, "3"), "num_classes='3': must be"),
    ((NAMES[0], "trained", None, (32, 32)), r"input_shape=\(32, 32\): must be .height"),
    ((NAMES[0], "trained", None, "32"), "input_shape='32': must be .height")])
def test_wrong_arguments(arguments, words):
    with pytest.raises(FieldError, match=words):
        bars.zoo.load(*arguments)


def test_images_that_cannot_be_prepared():
    name = NAMES[0]
    height, width, channels = made_for(read_json(named.directory(name) / "genotype.json"))[0]
    image = np.zeros((height, width, channels))
    assert bars.zoo.preprocess_input(name, [image]).shape == (1, *image.shape)
    for wrong in (image[..., 0], np.zeros((1, height, width, 5)), "a.png", [image, image[1:]], None):
        with pytest.raises(FieldError, match=rf"shape of the images=.*: must be \(B, H, W, {channels}\)"):
            bars.zoo.preprocess_input(name, wrong)


def test_weights_that_changed_are_refused(tmp_path, monkeypatch):
    copy = tmp_path / "networks"
    shutil.copytree(named.DIRECTORY, copy)
    monkeypatch.setattr(named, "DIRECTORY", copy)
    path = copy / NAMES[0] / "weights.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert sha256(path) != named.read_json(named.INDEX)[NAMES[0]]
    with pytest.raises(FieldError, match="has changed since it was shipped"):
        bars.zoo.load(NAMES[0])


def test_images_of_another_set_get_the_statistics_of_the_network():
    name = NAMES[0]
    _, test = bars.load("fashion_mnist_small")
    summary = read_json(named.directory(name) / "summary.json")
    assert prepared_for(name, test).mean == tuple(summary["mean"])
