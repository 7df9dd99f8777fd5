"""A `.tflite` file as a model to evaluate."""

import sys

import numpy as np
import pytest

from bars_tf.errors import Failure, InputError
from bars_tf.export.tflite_model import load_tflite
from bars_tf.legacy_keras import tf
from bars_tf.network.model_files import load_model


def test_it_computes_what_the_model_does(exported, untrained):
    network = load_tflite(str(exported[0] / "tiny_net.tflite"))
    assert (network.input_shape, network.num_classes) == ((28, 28, 1), 10)
    images = tf.constant(np.random.default_rng(0).normal(size=(20, 28, 28, 1)), tf.float32)
    expected = load_model(str(untrained / "model.h5"))(images, training=False).numpy()
    assert (network.logits(images).argmax(1) == expected.argmax(1)).sum() >= 19


def test_files_that_are_refused(tmp_path, exported, monkeypatch):
    path = tmp_path / "some.tflite"
    path.write_bytes(b"hello world")
    with pytest.raises(InputError, match="--model=.*some.tflite: not a .tflite"):
        load_tflite(str(path))
    with pytest.raises(InputError, match="No such file"):
        load_tflite(str(tmp_path / "none.tflite"))
    path.write_bytes((exported[0] / "tiny_net.tflite").read_bytes())
    monkeypatch.setitem(sys.modules, "larq_compute_engine", None)
    with pytest.raises(Failure, match="larq-compute-engine is not installed"):
        load_tflite(str(path))
