"""Files of models."""

import subprocess
import sys

import numpy as np
import pytest
from small_spaces import CLASSES, ODD_SHAPE, SMALL, TWO_PATHS

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
