"""Handover law: a network is the same after save and load, as a Larq Zoo model (bit by bit), and as a `.tflite`, in
which every binary convolution runs as one (but for rounding that flips a sign now and then)."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT, needs_engine
from sample_networks import NASB, SMALL, WIDE, facts_of, random_model, ruff

from bars_tf.export import agreement, conversion, package, proof, zoo_files, zoo_module
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.model_files import load_model, save_model
from bars_tf.space import backbones
from bars_tf.space.encoding import random_genotype
from bars_tf.space.fields import KERNEL_QUANTIZERS, SHARING, STEMS
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace

NUMBERS = [3, pytest.param(20, marks=pytest.mark.long)]


def own_space(name):
    """A space file that comes with the package, with fewer channels."""
    path = next((ROOT / "configs").rglob(f"{name}_space.json"))
    return SearchSpace.from_dict(json.loads(path.read_text())).replace(init_channels=8)


# As a Larq Zoo model


def check_zoo_model(genotype, rng, path, shape=(28, 28, 1)):
    """The module makes the network of the genotype, layer by layer."""
    path = path / "some_net.py"
    path.write_text(zoo_module.module_text("some_net", genotype, facts_of(genotype)))
    model = random_model(genotype, rng, shape)
    zoo_model = zoo_files.load_function(path)(weights=None, input_shape=shape)
    assert [layer.name for layer in zoo_model.layers if layer.weights] == [
        layer.name for layer in model.layers if layer.weights]
    zoo_model.set_weights(model.get_weights())
    images = rng.normal(size=(4, *shape)).astype(np.float32)
    np.testing.assert_array_equal(agreement.predict(zoo_model, images), agreement.predict(model, images))


@pytest.mark.parametrize("number", NUMBERS)
def test_zoo_models_of_random_genotypes(rng, tmp_path, number):
    for i in range(number):
        space = WIDE.replace(input_quantizer="approx_sign" if i % 2 else "ste_sign",
                             sharing=SHARING[i % 4], full_width_nodes=i % 3 > 0,
                             reduction_kernel=(3, 1, 0)[i % 3], reduction_shortcut=("average", "transition")[i % 2],
                             head_activation=("relu", "none")[i % 2])
        check_zoo_model(random_genotype(space, rng), rng, tmp_path, (20, 18, 1 + i % 2 * 2))
    assert ruff(tmp_path) == ""


@pytest.mark.parametrize("number", NUMBERS)
def test_zoo_models_of_random_genotypes_of_a_backbone(rng, tmp_path, number):
    for i in range(number):
        space = NASB.replace(
            **({"num_paths": 2, "latent_clip": 1.3} if i % 2 else {}), stem=("conv_3x3", "resnet")[i % 2],
            backbone=(NASB.backbone, ((16, 1, 1), (24, 1, 1)), ((16, 1, 1), (32, 2, 1)))[i % 3])
        check_zoo_model(random_genotype(space, rng), rng, tmp_path, (32, 30, 1 + i % 2 * 2))
    check_zoo_model(backbones.backbone(NASB), rng, tmp_path, (32, 30, 3))


@pytest.mark.parametrize("name", ["sensor16", "dilated"])
def test_zoo_models_of_own_spaces(rng, tmp_path, name):
    check_zoo_model(random_genotype(own_space(name), rng), rng, tmp_path, (16, 16, 1))


def test_zoo_models_of_corner_cases(rng, tmp_path):
    """No cell at all, and cells without any edge."""
    flat = WIDE.replace(layout="NN")
    check_zoo_model(Genotype(flat, (0.25,), (0,), tuple(((),) * 3 for _ in flat.groups)), rng, tmp_path)
    check_zoo_model(Genotype(WIDE, (0.75, 0.5, 1.0), (1, 1, 0), tuple(((),) * 3 for _ in WIDE.groups)), rng, tmp_path)


def test_where_the_package_cannot_be_imported(exported, untrained):
    """Larq Zoo's expectations of its models, and further promises of the function."""
    output, _ = exported
    code = f"""
import sys
sys.modules["bars_tf"] = None
sys.path.insert(0, {str(output)!r})
from tiny_net import tiny_net, preprocess_input, trained_weights
import numpy as np, tensorflow as tf
images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)
x = preprocess_input(images)

# Equal to what was trained, from the function and from both saved forms.
trained = tf.keras.models.load_model({str(untrained / "model.h5")!r}, compile=False)
model = tiny_net()
assert model.name == "tiny_net" and (model(x).numpy() == trained(x).numpy()).all()
assert (tf.keras.models.load_model("tiny_net.h5", compile=False)(x).numpy() == trained(x).numpy()).all()
assert (tiny_net(weights="tiny_net_weights.h5")(x).numpy() == trained(x).numpy()).all()

# Output shape, last feature dimension, with and without top; input tensor; other shapes.
assert tiny_net(weights=None, num_classes=7).output_shape == (None, 7)
body = tiny_net(include_top=False)
assert body.output_shape == (None, 7, 7, 32)
assert body.name == "tiny_net" and tiny_net(include_top=False, input_shape=(40, 36, 1)).output_shape[1:] == (10, 9, 32)
assert tiny_net(weights=None, input_shape=(64, 64, 3)).input_shape == (None, 64, 64, 3)
assert tiny_net(input_tensor=tf.keras.layers.Input((28, 28, 1))).output_shape == (None, 10)
with_top = {{layer.name: layer.get_weights() for layer in model.layers if layer.weights}}
for layer in body.layers:
    if layer.weights:
        for a, b in zip(layer.get_weights(), with_top.pop(layer.name)):
            assert (a == b).all()
assert list(with_top) == ["head"]

# Saved and loaded.
model.save_weights("again.h5")
again = tiny_net(weights="again.h5")
assert all((a == b).all() for a, b in zip(model.get_weights(), again.get_weights()))

# A few steps on other classes: the loss falls.
y = tf.keras.layers.GlobalAveragePooling2D()(body.output)
tuned = tf.keras.Model(body.input, tf.keras.layers.Dense(3)(y))
tuned.compile(tf.keras.optimizers.legacy.Adam(1e-3), tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              run_eagerly=True)
losses = [tuned.train_on_batch(x, np.arange(6) % 3) for _ in range(8)]
assert losses[-1] < losses[0], losses

# Refusals.
def refused(word, **arguments):
    try:
        tiny_net(**arguments)
    except ValueError as error:
        assert word in str(error), error
    else:
        raise AssertionError(arguments)

refused("10 classes", num_classes=7)
refused("1 channels", input_shape=(28, 28, 3))
refused("no such file", weights="imagenet")
data = bytearray(open("tiny_net_weights.h5", "rb").read())
data[len(data) // 2] ^= 1
open("tiny_net_weights.h5", "wb").write(data)
refused("SHA-256")
"""
    copy = output.parent / "copy"
    shutil.copytree(output, copy)
    done = subprocess.run([sys.executable, "-c", code.replace(str(output), str(copy))], cwd=copy, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    shutil.rmtree(copy)


# After save and load


@pytest.mark.parametrize("space", [WIDE, NASB], ids=["bars", "nasb"])
def test_save_and_load(tmp_path, rng, space):
    model = random_model(random_genotype(space, rng), rng, (16, 16, 3), 4)
    save_model(model, tmp_path / "model.h5")
    images = rng.normal(size=(4, 16, 16, 3)).astype(np.float32)
    np.testing.assert_array_equal(agreement.predict(load_model(str(tmp_path / "model.h5")), images),
                                  agreement.predict(model, images))


# As a deployment file


def check_conversion(genotype, rng, shape=(16, 16, 3), classes=4):
    """All binary convolutions run as such, and the file agrees with the model as the engine rounds it.

    Returns: the agreement with the model itself.
    """
    model = random_model(genotype, rng, shape, classes)
    fusible = conversion.fusible(genotype, model)
    converted = conversion.convert(fusible)
    images = rng.normal(size=(package.PROOF_IMAGES, *shape)).astype(np.float32)
    found = proof.prove(model, fusible, converted, images, agreement.predict(model, images))
    assert found.problems == () and found.rounded.holds, found
    contents = found.contents
    binary = [layer for layer in model.layers if isinstance(layer, lq.layers.QuantConv2D)]
    stems = [layer for layer in model.layers if type(layer) is tf.keras.layers.Conv2D]
    declared = len(STEMS[genotype.space.stem])
    if genotype.space.backbone:  # the 1x1 convolutions of its shortcuts
        declared += sum(position.opens_stage for position in genotype.space.cells())
    assert sum(op.is_binary for op in contents.operations) == len(binary)
    assert sum(op.is_float_convolution for op in contents.operations) == len(stems) == declared
    # Batch norm before a sign and of the sum of nodes has no convolution before it.
    alone = [layer for layer in model.layers if layer.name.endswith(("_shift_bn", "_nodes_bn"))]
    if genotype.space.kernel_quantizer == "ste_sign":
        assert contents.unfused["batch norm"] <= len(alone) and contents.unfused["ReLU"] == 0
    # Bits of binary weights, their inputs packed to 32, and four bytes a float value.
    for operation in contents.convolutions:
        outputs, height, width, inputs = operation.kernel.shape
        assert operation.constant_bytes == 4 * operation.float_values + (
            4 * outputs * height * width * inputs if operation.is_binary else 0)
    packed = sum(4 * int(np.prod(layer.kernel.shape[:2])) * layer.filters * -(-layer.kernel.shape[2] // 32)
                 for layer in binary)
    assert sum(op.kernel.nbytes for op in contents.operations if op.is_binary) == packed
    shifts = sum(layer.name.endswith("_shift_bn") for layer in alone)  # two operations each
    assert contents.structure_bytes <= 1500 * (len(contents.convolutions) + shifts)
    return found.agreement


def require(*agreements):
    """All of them together agree with their files: one random network, which has no margin, can have a channel that is
    constant and so near 0 that the engine's rounding changes its sign for every image."""
    assert agreement.Agreement(*map(sum, zip(*agreements))).holds, agreements


@needs_engine
@pytest.mark.parametrize("number", NUMBERS)
def test_random_genotypes_run_binary(rng, number):
    tf.keras.utils.set_random_seed(0)
    # Multiples of 32 channels and others, which are padded; so many that no two random kernels are equal.
    found = (SMALL.replace(init_channels=(8, 16, 32)[i], full_width_nodes=i == 2) if number == 3 else
             WIDE.replace(init_channels=(32, 48, 64)[i % 3], full_width_nodes=i % 2 > 0) for i in range(number))
    require(*(check_conversion(random_genotype(space, rng), rng) for space in found))


@needs_engine
@pytest.mark.parametrize("number", [2, pytest.param(20, marks=pytest.mark.long)])
def test_random_genotypes_of_a_backbone_run_binary(rng, number):
    tf.keras.utils.set_random_seed(0)
    require(*(check_conversion(random_genotype(NASB.replace(
        kernel_quantizer=KERNEL_QUANTIZERS[i % 2]), rng), rng) for i in range(number)))


@needs_engine
def test_several_paths_run_binary(rng):
    """Each of their signs has a batch norm before it, whose rounding may flip it: a few groups only."""
    tf.keras.utils.set_random_seed(0)
    require(check_conversion(random_genotype(NASB.replace(num_paths=2, backbone=NASB.backbone[:2]), rng), rng))
