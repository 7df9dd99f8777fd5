"""Files of models."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
from small_spaces import CLASSES, ODD_SHAPE, SMALL, TWO_PATHS

from bars_tf.errors import InputError
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.network.model_files import load_model, save_model
from bars_tf.space.encoding import random_genotype

CODE = """
import os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
sys.modules["bars_tf"] = None
import numpy as np, tensorflow as tf, larq
model = tf.keras.models.load_model("model.h5")
np.save("logits.npy", model(np.load("images.npy"), training=False).numpy())
"""


@pytest.mark.parametrize("space", [SMALL, TWO_PATHS], ids=["bars", "nasb"])
def test_saved_networks_load_without_the_package(space, tmp_path, rng):
    model = build_network(random_genotype(space, rng), ODD_SHAPE, CLASSES)
    images = rng.normal(size=(4, *ODD_SHAPE)).astype(np.float32)
    save_model(model, tmp_path / "model.h5")
    np.save(tmp_path / "images.npy", images)
    subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, check=True, capture_output=True)
    logits = model(images, training=False).numpy()
    assert (np.load(tmp_path / "logits.npy") == logits).all()
    assert (load_model(str(tmp_path / "model.h5"))(images, training=False).numpy() == logits).all()


@pytest.mark.parametrize("poison", [
    {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
    {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"},
    {"class_name": "Zeros", "module": "os", "config": {}, "registered_name": None},
    {"class_name": ["function"], "config": {}},
])
def test_a_model_file_names_no_code(tmp_path, poison):
    path = tmp_path / "model.h5"
    model = tf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(2)])
    model.save(path)
    assert load_model(str(path)).count_params() == 6
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"]["kernel_initializer"] = poison
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(InputError, match=r"--model=.*(class __lambda__|class function|class \['function'\]|module os)"):
        load_model(str(path))


@pytest.mark.slow
def test_files_of_newer_versions_are_read(tmp_path, rng):
    """tf_keras 2.20 writes `optional` of an input, which 2.19 refuses; runs of Python 3.13 are exported with 2.19."""
    model = build_network(random_genotype(SMALL, rng), ODD_SHAPE, CLASSES)
    save_model(model, tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][0]["config"]["optional"] = False
        file.attrs["model_config"] = json.dumps(config)
    loaded = load_model(str(tmp_path / "model.h5"))
    assert type(loaded.layers[0]) is tf.keras.layers.InputLayer
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
