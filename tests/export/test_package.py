"""The export of a run: unfinished runs, refusals, and what is written then."""

import dataclasses
import re
import shutil
import sys
from pathlib import Path

import pytest
from helpers import needs_engine

from bars_tf.cost import device
from bars_tf.data import pipeline
from bars_tf.errors import Failure, InputError
from bars_tf.export import agreement, conversion, package, plain_c
from bars_tf.export.settings import ExportSettings
from bars_tf.space.genotype import Genotype


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    """The interpreter takes its time on this machine."""
    monkeypatch.setattr(package, "PROOF_IMAGES", 32)


@pytest.fixture(scope="module")
def run(untrained):
    return package.read_run(untrained, "bin/search")


@pytest.fixture(scope="module")
def test_images():
    return pipeline.load("fashion_mnist_small")[1]


@pytest.fixture
def converted(exported, monkeypatch):
    """Conversion of the run's network, which is that of the export, takes no time."""
    monkeypatch.setattr(conversion, "convert", lambda model: (exported[0] / "tiny_net.tflite").read_bytes())


def export(run, output, test_images, **settings):
    package.export(ExportSettings("tiny_net", str(output), **settings), run, "some_set", test_images, ())


def test_unfinished_runs_name_the_missing_step(tmp_path, untrained):
    work = tmp_path / "work"

    def refused(words):
        with pytest.raises(InputError, match=words):
            package.read_run(work, "bin/search --seed=0")

    shutil.copytree(untrained, work)
    (work / "summary.json").write_text("{}")
    refused("summary.json: has no cost, test_accuracy, test_images")
    (work / "summary.json").write_text('{"test_accuracy": 1, "test_images": 1, "cost": {}, "precision": "float"}')
    refused("float twin")
    (work / "summary.json").unlink()
    refused("no summary.json: its test has not finished")
    (work / "model.h5").unlink()
    refused("no model.h5: its training has not finished; `bin/search --seed=0` resumes it")
    (work / "genotype.json").unlink()
    refused("no genotype.json: its search has not finished")
    shutil.copytree(untrained, work, dirs_exist_ok=True)
    dataclasses.replace(Genotype.load(untrained / "genotype.json"), depths=(0, 1)).save(work / "genotype.json")
    refused("model.h5 is not the network of genotype.json")
    (work / "model.h5").write_bytes((untrained / "model.h5").read_bytes()[:20000])
    refused("model")


def test_images_of_another_shape_are_refused(run):
    _, test = pipeline.load("fashion_mnist_small", image_size=14)
    with pytest.raises(InputError, match=r"model.h5 is for images \(28, 28, 1\) of 10 classes, its data set has"):
        package.facts_of(run, "some_set", test)


@needs_engine
def test_a_file_of_another_network_is_refused_and_leaves_nothing(tmp_path, run, converted, test_images):
    model = package.load_model(str(run.directory / "model.h5"))
    layer = model.get_layer("cell_0_process_conv")
    layer.set_weights([-abs(layer.get_weights()[0])])
    with pytest.raises(Failure, match="refused: layer cell_0_process_conv is no LceBconv2d: "):
        export(run._replace(model=model), tmp_path / "out", test_images)
    assert not list(tmp_path.iterdir())


@needs_engine
def test_disagreement_is_refused_or_reported(tmp_path, tmp_path_factory, run, converted, test_images, monkeypatch,
                                             capsys):
    run = run._replace(directory=tmp_path_factory.mktemp("with_device"))
    device.load("rpi4b").save(run.directory / "device.json")
    monkeypatch.setattr(agreement, "TOLERANCE", -1.0)  # no image is close enough
    with pytest.raises(Failure, match="refused: the file does not compute what was trained: 0 of 32 images"):
        export(run, tmp_path / "out", test_images)
    assert not list(tmp_path.iterdir())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    export(run, tmp_path / "out", test_images, overwrite=True, allow_float_fallback=True)
    assert "warning: the file does not compute" in capsys.readouterr().err
    card = (tmp_path / "out" / "README.md").read_text()
    assert "**Not proven:**" in card
    assert re.search(r"Estimated, not measured: [\d.]+ ms an image on rpi4b \\\(Raspberry Pi 4B ", card)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine" and (tmp_path / "out" / "tiny_net.tflite").exists()


def test_without_the_compute_engine_all_else_is_written(tmp_path, run, test_images, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "larq_compute_engine", None)
    export(run, tmp_path / "out", test_images)
    assert "no tiny_net.tflite, all else is written: larq-compute-engine is not installed" in capsys.readouterr().err
    assert len(list((tmp_path / "out").iterdir())) == 10 and not (tmp_path / "out" / "tiny_net.tflite").exists()
    assert "Deployment" not in (tmp_path / "out" / "README.md").read_text()


def test_formats_are_chosen(tmp_path, run, test_images, monkeypatch, capsys):
    """C alone, on a machine without a compiler, beside files of an earlier export."""
    monkeypatch.setattr(plain_c.proof, "compiler", lambda: None)
    monkeypatch.setitem(sys.modules, "larq_compute_engine", None)
    (tmp_path / "tiny_net.tflite").touch()
    export(run, tmp_path, test_images, format=("c",), overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {
        "tiny_net.c", "tiny_net.h", "tiny_net_test.c", "Makefile", "README.md", "tiny_net.tflite"}
    said = capsys.readouterr().err
    assert "tiny_net.c is not proven: there is no C compiler" in said and "tflite" not in said
    card = (tmp_path / "README.md").read_text()
    assert "**Not proven:** where it was written" in card and "## Use" not in card and "\n\n\n" not in card
    with pytest.raises(InputError, match="--format=tflite,c: larq-compute-engine is not installed"):
        export(run, tmp_path / "other", test_images, format=("tflite", "c"))
    assert not (tmp_path / "other").exists()


def test_an_output_that_cannot_be_made(tmp_path, run, test_images):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="--output=.*Not a directory"):
        export(run, tmp_path / "notes.txt" / "out", test_images)


def test_an_empty_directory_is_filled_where_it_is(tmp_path, monkeypatch):
    """It may be the current one, or lie behind a link."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    monkeypatch.chdir(tmp_path / "there")
    for output, name in ((Path("."), "one"), (tmp_path / "link", "two")):
        with package._beside(output) as directory:
            (directory / name).touch()
            package._move(directory, output, [])
    assert {path.name for path in tmp_path.rglob("*")} == {"there", "link", "one", "two"}
