"""The files of the zoo's format."""

import json

import numpy as np
import pytest

from bars_tf.data import pipeline
from bars_tf.data.augmentation import prepare_for_evaluation
from bars_tf.export import zoo_files
from bars_tf.legacy_keras import lq, tf


def test_json_has_labels_and_is_still_a_model(exported):
    values = json.loads((exported[0] / "tiny_net.json").read_text())
    assert values["labels"][9] == "Ankle boot" and len(values["preprocessing"]["mean"]) == 1
    assert values["metrics"]["test_accuracy"] == 0.125 and values["deployment"]["problems"] == []
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
