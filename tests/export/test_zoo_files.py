"""The files of the zoo's format."""

import json
import re

import numpy as np
import pytest
from helpers import HAS_ENGINE, needs_engine
from sample_networks import SMALL, facts_of

from bars_tf.data import pipeline
from bars_tf.data.augmentation import prepare_for_evaluation
from bars_tf.export import zoo_files
from bars_tf.export.plain_c.proof import compiler
from bars_tf.export.settings import FORMATS
from bars_tf.files import sha256
from bars_tf.legacy_keras import lq, tf
from bars_tf.space.encoding import random_genotype

HOSTILE = ("'\n\"\"\"\n# heading", "<script>alert(1)</script>", "back`tick|pipe", "\\", "{{ name }}", "\u202eabc",
           "[a](http://b)", "*bold*", "under_score")


def test_json_has_labels_and_is_still_a_model(exported):
    values = json.loads((exported[0] / "tiny_net.json").read_text())
    assert values["labels"][9] == "Ankle boot" and len(values["preprocessing"]["mean"]) == 1
    assert values["metrics"]["test_accuracy"] == 0.125
    assert not HAS_ENGINE or values["deployment"]["problems"] == []
    with lq.context.quantized_scope(False):
        assert tf.keras.models.model_from_json(json.dumps(values)).output_shape == (None, 10)


def test_module_after_tensorflow_says_what_to_do(exported, monkeypatch):
    monkeypatch.delenv("TF_USE_LEGACY_KERAS")
    with pytest.raises(ImportError, match="needs Keras 2: import this before TensorFlow"):
        zoo_files.load_function(exported[0] / "tiny_net.py")


def test_preprocessing_is_that_of_training(exported):
    """`preprocess_input` gives the values that the pipeline gives."""
    _, test = pipeline.load("fashion_mnist_small")
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), dtype=np.uint8)
    module = zoo_files.load_function(exported[0] / "tiny_net.py").__globals__
    np.testing.assert_array_equal(module["preprocess_input"](images), prepare_for_evaluation(
        tf.constant(images), (28, 28), test.mean, test.std))


@needs_engine
def test_card_of_an_export(exported):
    output, _ = exported
    card = (output / "README.md").read_text()
    files = [path for path in output.iterdir() if path.name != "README.md"]
    assert len(files) == 10 and all(f"| `{path.name}` |" in card and sha256(path) in card for path in files)
    assert "12.50% of 2,000" in card and "fashion\\_mnist\\_small" in card and "9. Ankle boot" in card
    assert "lce_benchmark_model --graph=tiny_net.tflite" in card and "compute-engine/issues/633" in card
    assert "Estimated" not in card
    assert "Binary convolutions: 12. Float convolutions: 2 (stem\\_0, stem\\_1)." in card
    assert "## Plain C" in card and ("512 have the same class;" in card or not compiler())
    assert "bin/export --workdir=" in card and "{" not in card and "\n\n\n" not in card


def test_without_a_deployment_file(tmp_path, rng):
    genotype = random_genotype(SMALL, rng)
    facts = facts_of(genotype)._replace(resized=(36, 40))
    (tmp_path / "net.py").touch()
    zoo_files.write_card(tmp_path, "net", genotype, facts, FORMATS, None, None, ("bin/search",))
    card = (tmp_path / "README.md").read_text()
    assert "Deployment" not in card and "covered 36x40 pixels" in card and "\n\n\n" not in card


def test_strings_of_others_stay_text(tmp_path, rng):
    for label in HOSTILE:
        escaped = zoo_files.escaped(label)
        assert "\n" not in escaped and escaped.isprintable()
        assert not re.search(r"(?<!\\)(?:\\\\)*[<>`|\[\]*_]", escaped)
    genotype = random_genotype(SMALL, rng)
    zoo_files.write_card(tmp_path, "net", genotype, facts_of(genotype, HOSTILE), FORMATS, None, None, ())
    assert "0. \\' \\\"\\\"\\\" \\# heading\n1. \\<script" in (tmp_path / "README.md").read_text()
