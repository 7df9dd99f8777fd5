"""The template of the zoo modules is a module that works as it stands."""

import ast
from pathlib import Path

import numpy as np
import pytest
from sample_networks import channels_first

from bars_tf.export import zoo_module, zoo_template
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_SMALL


def test_its_constants_are_those_of_a_network(rng):
    space = BARS_SMALL.replace(layout="NR", num_nodes=2, init_channels=8, stem_channels=4)
    genotype = Genotype(space, (1.0, 1.0), (1, 0), ((((0, "bin_conv_3x3"),), ((1, "skip"),)), (((0, "skip"),), ())))
    for name, value in zoo_module.network_constants(genotype).items():
        assert getattr(zoo_template, name) == value, name
    model = build_network(genotype, zoo_template.INPUT_SHAPE, len(zoo_template.CLASS_NAMES))
    zoo_model = zoo_template.zoo_template(weights=None)
    zoo_model.set_weights(model.get_weights())
    images = rng.normal(size=(2, *zoo_template.INPUT_SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(model(images), zoo_model(images))


def test_every_constant_is_replaced(rng):
    tree = ast.parse(Path(zoo_template.__file__).read_text())
    constants = {node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)} - {"layers"}
    assert constants == {"INPUT_SHAPE", "CLASS_NAMES", "MEAN", "STD", "WEIGHTS",
                         *zoo_module.network_constants(random_genotype(BARS_SMALL, rng))}


def test_it_needs_nothing_of_the_package():
    tree = ast.parse(Path(zoo_template.__file__).read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(module.startswith("bars_tf") for module in modules)


def test_head_activation(monkeypatch):
    kinds = []
    for activation in ("none", "relu"):
        monkeypatch.setattr(zoo_template, "ACTIVATIONS", ("none", activation))
        kinds.append([type(layer).__name__ for layer in zoo_template.zoo_template(weights=None).layers])
    assert kinds[1] == [*kinds[0][:-2], "ReLU", *kinds[0][-2:]]


def test_damaged_weights_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(zoo_template, "__file__", str(tmp_path / "zoo_template.py"))
    (tmp_path / "zoo_template_weights.h5").write_bytes(b"other")
    with pytest.raises(ValueError, match="damaged or of another export: SHA-256 is"):
        zoo_template.zoo_template()


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """Takes the place of the trained weights."""
    path = tmp_path / "weights.h5"
    zoo_template.zoo_template(weights=None).save_weights(path)
    monkeypatch.setattr(zoo_template, "trained_weights", lambda include_top: str(path))
    return path


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float32"])
def test_logits_are_float32_under_every_policy(weights, policy, rng):
    images = rng.normal(size=(2, *zoo_template.INPUT_SHAPE)).astype(np.float32)
    expected = zoo_template.zoo_template()(images)
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        logits = zoo_template.zoo_template()(images)
    finally:
        tf.keras.mixed_precision.set_global_policy(None)
    # A rounded sum near 0 changes its sign, and with it all that follows: values are compared in float32 alone.
    assert logits.dtype == tf.float32 and np.isfinite(logits).all()
    if policy == "float32":
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_what_users_pass(weights):
    image, zoo = tf.keras.Input, zoo_template.zoo_template
    for options in ({"input_tensor": image((28, 28, 1))}, {"input_tensor": image((32, 40, 1))},
                    {"input_tensor": image((28, 28, 1), dtype="float64")}, {"input_tensor": image((None, None, 1))},
                    {"input_shape": [32, 32, 1]}, {"weights": weights}, {"num_classes": 3, "weights": None},
                    {"input_tensor": image((28, 28, 3)), "weights": None}):
        assert zoo(**options).output_shape == (None, options.get("num_classes", 2)), options
    for options, words in (
            ({"input_tensor": image((28, 28, 3))}, "trained weights are for images of 1 channels, not 3"),
            ({"input_shape": (28, 28, 3)}, "trained weights are for images of 1 channels, not 3"),
            ({"input_tensor": image((28,))}, "height, width, channels"), ({"input_shape": (28, 28)}, "height, width"),
            ({"input_shape": (None, 28, 28, 1)}, "height, width"), ({"num_classes": 3}, "for 2 classes, not 3"),
            ({"weights": "gone.h5"}, "no such file")):
        with pytest.raises(ValueError, match=words):
            zoo(**options)
    with channels_first(), pytest.raises(ValueError, match="channels_last"):
        zoo()


def test_images_of_other_channels_are_not_prepared():
    """TensorFlow would spread one channel over three, and of no channels take the last column for one."""
    shape = zoo_template.INPUT_SHAPE
    assert zoo_template.preprocess_input(np.zeros(shape, np.uint8)).shape == shape
    for images in (np.zeros((*shape[:2], 3)), np.zeros(shape[:2]), np.float32(1)):
        with pytest.raises(ValueError, match="the last axis must hold 1 channels"):
            zoo_template.preprocess_input(images)
