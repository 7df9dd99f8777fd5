"""Export: the generated Python, the deployment file, the proof, and what bad input gets."""

import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bars_tf.cli import evaluate as cli_evaluate
from bars_tf.cli import summary, workdir
from bars_tf.cli.settings import Settings
from bars_tf.cost.tables import cost, cost_tables
from bars_tf.data.augmentation import prepare_for_evaluation
from bars_tf.data.splits import load_splits
from bars_tf.errors import Failure, InputError
from bars_tf.export import conversion, proof, zoo_module
from bars_tf.export import package as export
from bars_tf.export import tflite_file as tflite
from bars_tf.export.model_card import escape
from bars_tf.files import save_model, sha256, write_json
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.keras_network import KerasOps, build_network
from bars_tf.space import backbones, presets
from bars_tf.space.encoding import random_genotype
from bars_tf.space.fields import KERNEL_QUANTIZERS, SHARING, STEMS
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_PAPER, BARS_SMALL
from bars_tf.space.primitives import PRIMITIVES
from bars_tf.training import evaluation as evaluate

ROOT = Path(__file__).resolve().parent.parent
SHAPE, CLASSES = (28, 28, 1), 10
SPACE = BARS_SMALL.replace(layout="NRN", init_channels=8, stem_channels=4, num_nodes=2, width_choices=(0.5, 1.0))
# Reductions between all ratios of widths, every primitive, nodes without inputs.
WIDE = BARS_PAPER.replace(layout="NRNR", init_channels=8, stem_channels=4, num_nodes=3, stem="cifar_2",
                                 primitives=tuple(PRIMITIVES))
# A group of two convolutions, one with a stride, one with other channels alone. So many channels that no two random
# kernels are equal.
NASB = presets.NASB.replace(init_channels=32, num_nodes=2, backbone=((32, 1, 2), (64, 2, 1), (96, 1, 1)))
LONG_NAME = "a" * 64
HOSTILE = ("long " * 60, '"""', "'\n\"\"\"\nimport os  # ", "<script>alert(1)</script>", "back`tick|pipe", "\\",
           "{x}%s$name", "  ", "\u202eabc", "\ud800", "[a](http://b)")


def random_model(genotype, rng, shape=SHAPE, classes=CLASSES):
    """The network of a genotype with random weights, statistics of batch norm and signs of its scales included."""
    model = build_network(genotype, shape, classes)
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 1.5, size) * rng.choice([-1, 1], size), rng.normal(size=size),
                               rng.uniform(0, 3, size), rng.uniform(0.5, 2, size)])
    return model


def facts_of(genotype, class_names=tuple("abcdefghij"), dataset="some_set"):
    costs = cost(genotype, cost_tables(genotype.space, SHAPE, len(class_names)))
    return zoo_module.Facts(dataset, SHAPE, class_names, (0.3,), (0.2,), 0.5, 100, costs)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A work directory as `bin/search` leaves it, of a network that is small and untrained."""
    directory, rng = tmp_path_factory.mktemp("run") / "work", np.random.default_rng(3)
    (directory / "search").mkdir(parents=True)
    genotype = Genotype(SPACE, (1.0, 1.0), (1, 1), tuple(
        (((0, "bin_conv_3x3"),), ((0, "skip"), (1, "bin_conv_3x3"))) for _ in SPACE.groups))
    genotype.save(directory / "genotype.json", SHAPE, CLASSES)
    save_model(random_model(genotype, rng), directory / "model.h5")
    workdir.write_flagfile(directory / "config.flags", Settings.of(workdir=str(directory)))
    write_json(directory / "summary.json", {"test_accuracy": 0.125, "test_images": 2000, "search_seconds": 1.0,
                                            "cost": facts_of(genotype).cost.to_dict()})
    return directory


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The directory that the program writes, and what it printed."""
    from helpers import run_program

    output = tmp_path_factory.mktemp("export") / "tiny"
    return output, run_program("export", f"--workdir={run}", "--name=tiny_net", f"--output={output}")


def test_an_empty_directory_is_filled_where_it_is(tmp_path, monkeypatch):
    """It may be the current one, or lie behind a link."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    monkeypatch.chdir(tmp_path / "there")
    for output, name in ((Path("."), "one"), (tmp_path / "link", "two")):
        with export._beside(output) as directory:
            (directory / name).touch()
            export._move(directory, output, "net")
    assert {path.name for path in tmp_path.rglob("*")} == {"there", "link", "one", "two"}


def config_of(run, output, **changes):
    return Settings.of(workdir=str(run), name="tiny_net", output=str(output), **changes)


# The program and what it writes


def test_export_writes_the_zoo_format(exported):
    output, done = exported
    assert done.returncode == 0, done.stderr
    for word in ("WARNING", "Traceback", "tensorflow/"):
        assert word not in done.stdout + done.stderr
    assert re.search(r"tiny_net.tflite: 12 binary convolutions, 2 float ones; left unfused: 0 batch norm, 0 ReLU",
                     done.stderr)
    assert "equal to the last bit on 512 test images" in done.stderr
    assert [path.name for path in output.parent.iterdir()] == ["tiny"]
    names = {f"tiny_net{end}" for end in (".py", ".h5", "_weights.h5", "_weights_notop.h5", ".json", ".tflite")}
    assert {path.name for path in output.iterdir()} == {*names, "README.md"}
    card = (output / "README.md").read_text()
    assert all(f"| `{name}` |" in card and sha256(output / name) in card for name in names)
    assert "12.50% of 2,000" in card and "fashion\\_mnist\\_small" in card and "9. Ankle boot" in card
    values = json.loads((output / "tiny_net.json").read_text())
    assert values["labels"][9] == "Ankle boot" and len(values["preprocessing"]["mean"]) == 1
    with lq.context.quantized_scope(False):
        assert tf.keras.models.model_from_json(json.dumps(values)).output_shape == (None, 10)


def test_zoo_model_behind_tensorflow_says_what_to_do(exported):
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run([sys.executable, "-c", "import tensorflow, tiny_net"], cwd=exported[0], env=environment,
                          capture_output=True, text=True)
    assert "ImportError: needs Keras 2: import this before TensorFlow" in done.stderr, done.stderr


def test_evaluate_and_summary_read_the_files(exported, program, run):
    output, _ = exported
    model = str(output / "tiny_net.tflite")
    done = program("evaluate", f"--model={model}", "--eval_batch_size=100", "--max_steps=2", "--json")
    assert done.returncode == 0, done.stderr
    test = load_splits(Settings.of().data).test
    expected = evaluate.accuracy(evaluate.as_network(evaluate.load_model(str(run / "model.h5"))), test, 100, 2, "test")
    found = json.loads(done.stdout)
    assert found["images"] == expected[1] == 200 and abs(found["accuracy"] - expected[0]) < 0.02
    done = program("summary", f"--model={model}")
    assert done.returncode == 0 and "12 binary and 2 float convolutions" in done.stdout
    assert "parameters / 8" in done.stdout and "cell_1_edge_0_1_bin_conv_3x3_even" in done.stdout


def test_zoo_model_where_the_package_cannot_be_imported(exported, run):
    """Larq Zoo's expectations of its models, and what else is promised of the function."""
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
trained = tf.keras.models.load_model({str(run / "model.h5")!r}, compile=False)
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
tuned.compile(tf.keras.optimizers.legacy.Adam(1e-3), tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
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


def test_preprocessing_is_that_of_training(exported, run):
    """What `preprocess_input` gives for an image is what the pipeline gives."""
    config = Settings.of(workdir=str(run))
    test = load_splits(config.data).test
    output, _ = exported
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), dtype=np.uint8)
    load = export.zoo_files.load_function(output / "tiny_net.py")
    assert (load.__globals__["preprocess_input"](images).numpy()
            == prepare_for_evaluation(tf.constant(images), (28, 28), test.mean, test.std).numpy()).all()


# The proof


def check_conversion(genotype, rng, shape=(16, 16, 3), classes=4):
    model = random_model(genotype, rng, shape, classes)
    fusible = conversion.fusible(genotype, model)
    converted = conversion.convert(fusible)
    contents = tflite.parse(converted)
    assert proof.fallbacks(model, contents) == []
    binary = [layer for layer in model.layers if isinstance(layer, lq.layers.QuantConv2D)]
    stems = [layer for layer in model.layers if type(layer) is tf.keras.layers.Conv2D]
    declared = len(STEMS[genotype.space.stem])
    if genotype.space.backbone:  # the 1x1 convolutions of its shortcuts
        declared += sum(position.opens_stage for position in genotype.space.cells())
    assert sum(op.is_binary for op in contents.operations) == len(binary)
    assert sum(op.is_float_convolution for op in contents.operations) == len(stems) == declared
    # Those before a sign and of the sum of nodes have no convolution before them.
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
    images = rng.normal(size=(export.PROOF_IMAGES, *shape)).astype(np.float32)
    in_file = conversion.interpreter(converted)(images)
    agreement, rounded = (proof.agreement(export.predict(network, images), in_file)
                          for network in (model, conversion.with_engine_rounding(fusible)))
    print(f"{agreement}; as the engine rounds: {rounded.close}, {rounded.same_class}")
    assert rounded.holds
    return agreement


def require(*agreements):
    """All of them together agree with their files: one random network, which has no margin, can have a channel that is
    constant and so near 0 that the engine's rounding changes its sign for every image."""
    assert proof.Agreement(*map(sum, zip(*agreements))).holds, agreements


def check_code(genotype, rng, tmp_path, shape=SHAPE):
    """The generated Python compiles, passes ruff, and computes what the network does."""
    path = tmp_path / "some_net.py"
    path.write_text(zoo_module.module_text("some_net", genotype, facts_of(genotype), ("a" * 64, "b" * 64)))
    ruff = subprocess.run([sys.executable, "-m", "ruff", "check", "--config", ROOT / "ruff.toml", path],
                          capture_output=True, text=True)
    assert ruff.returncode == 0, ruff.stdout
    model = random_model(genotype, rng, shape)
    zoo_model = export.zoo_files.load_function(path)(weights=None, input_shape=shape)
    assert [layer.name for layer in zoo_model.layers if layer.weights] == [
        layer.name for layer in model.layers if layer.weights]
    zoo_model.set_weights(model.get_weights())
    images = rng.normal(size=(4, *shape)).astype(np.float32)
    assert (export.predict(zoo_model, images) == export.predict(model, images)).all()


@pytest.mark.parametrize("number", [3, pytest.param(20, marks=pytest.mark.long)])
def test_random_genotypes_of_a_backbone_run_binary(rng, number):
    tf.keras.utils.set_random_seed(0)
    require(*(check_conversion(random_genotype(NASB.replace(
        kernel_quantizer=KERNEL_QUANTIZERS[i % 2]), rng), rng) for i in range(number)))


def test_several_paths_run_binary(rng):
    """Each of their signs has a batch norm before it, whose rounding may flip it: a few groups only."""
    tf.keras.utils.set_random_seed(0)
    require(check_conversion(random_genotype(NASB.replace(num_paths=2, backbone=NASB.backbone[:2]), rng), rng))


@pytest.mark.parametrize("number", [3, pytest.param(20, marks=pytest.mark.long)])
def test_generated_python_of_random_genotypes_of_a_backbone(rng, tmp_path, number):
    for i in range(number):
        space = NASB.replace(
            **({"num_paths": 2, "latent_clip": 1.3} if i % 2 else {}), stem=("conv_3x3", "resnet")[i % 2],
            backbone=(NASB.backbone, ((16, 1, 1), (24, 1, 1)), ((16, 1, 1), (32, 2, 1)))[i % 3])
        check_code(random_genotype(space, rng), rng, tmp_path, (32, 30, 1 + i % 2 * 2))
    check_code(backbones.backbone(NASB), rng, tmp_path, (32, 30, 3))


@pytest.mark.parametrize("number", [3, pytest.param(20, marks=pytest.mark.long)])
def test_random_genotypes_run_binary(rng, number):
    tf.keras.utils.set_random_seed(0)
    # Multiples of 32 channels and others, which are padded; so many that no two random kernels are equal.
    found = (SPACE.replace(init_channels=(8, 16, 32)[i], full_width_nodes=i == 2) if number == 3 else
             WIDE.replace(init_channels=(32, 48, 64)[i % 3], full_width_nodes=i % 2 > 0) for i in range(number))
    require(*(check_conversion(random_genotype(space, rng), rng) for space in found))


def test_dilated_convolutions_that_share_their_input_run_binary(rng):
    """As Keras writes them, the converter would make them float."""
    space = WIDE.replace(layout="N", num_nodes=2)
    topology = (((0, "bin_dil_conv_3x3"),), ((0, "bin_dil_conv_3x3"), (1, "bin_dil_conv_3x3")))
    require(check_conversion(Genotype(space, (1.0,), (1,), (topology,)), rng))


def test_convolutions_of_which_only_the_sign_is_used(rng):
    """The converter packs their results at once, and negates kernels whose scale is negative."""
    space = WIDE.replace(layout="N", num_nodes=2, primitives=("none", "bare"), own_primitives={
        "bare": {"branch": "bin_conv", "kernel": 3, "shortcut": False, "activation": "none"}})
    genotype = Genotype(space, (1.0,), (1,), ((((0, "bare"),), ((0, "bare"),)),))
    require(check_conversion(genotype, rng))
    model = random_model(genotype, rng)
    contents = tflite.parse(conversion.convert(conversion.fusible(genotype, model)))
    layer = model.get_layer("cell_0_process_conv")
    kernel = layer.get_weights()[0]
    kernel[0, 0, 0, 0] *= -1  # one weight of another sign is another kernel
    layer.set_weights([kernel])
    assert proof.fallbacks(model, contents)[0].startswith("layer cell_0_process_conv is no LceBconv2d")


def test_equal_kernels_on_one_input_are_one_convolution(rng):
    genotype = Genotype(WIDE.replace(layout="N", num_nodes=2), (1.0,), (1,), ((((0, "bin_conv_1x1"),),) * 2,))
    model = random_model(genotype, rng, (16, 16, 3), 4)
    first, second = (layer for layer in model.layers if layer.name.endswith("1x1_conv"))
    second.set_weights(first.get_weights())
    contents = tflite.parse(conversion.convert(conversion.fusible(genotype, model)))
    assert contents.kinds["LceBconv2d"] == 2 and proof.fallbacks(model, contents) == []
    assert proof.fallbacks(random_model(genotype, rng, (16, 16, 3), 4), contents)  # others are not taken for them


@pytest.mark.parametrize("number", [3, pytest.param(20, marks=pytest.mark.long)])
def test_generated_python_of_random_genotypes(rng, tmp_path, number):
    for i in range(number):
        space = WIDE.replace(input_quantizer="approx_sign" if i % 2 else "ste_sign",
                             sharing=SHARING[i % 4], full_width_nodes=i % 3 > 0,
                             reduction_kernel=(3, 1, 0)[i % 3], reduction_shortcut=("average", "transition")[i % 2])
        check_code(random_genotype(space, rng), rng, tmp_path, (20, 18, 1 + i % 2 * 2))


def test_generated_python_of_corner_cases(rng, tmp_path):
    """No cell at all, and cells without any edge."""
    flat = WIDE.replace(layout="NN")
    check_code(Genotype(flat, (0.25,), (0,), tuple(((),) * 3 for _ in flat.groups)), rng, tmp_path)
    check_code(Genotype(WIDE, (0.75, 0.5, 1.0), (1, 1, 0), tuple(((),) * 3 for _ in WIDE.groups)), rng, tmp_path)


@pytest.mark.parametrize("layer, reason", [
    (lambda: lq.layers.QuantConv2D(64, 3, groups=4, pad_values=1.0, name="grouped", padding="same",
                                   input_quantizer="ste_sign", kernel_quantizer="ste_sign", use_bias=False),
     "layer grouped is no LceBconv2d: a group has 16 input channels, which must be a multiple of 32"),
    (lambda: lq.layers.QuantDepthwiseConv2D(3, name="depthwise", padding="same", input_quantizer="ste_sign",
                                            depthwise_quantizer="ste_sign", use_bias=False),
     "layer depthwise is no LceBconv2d: the engine has no binary depthwise convolution"),
    (lambda: lq.layers.QuantConv2D(64, 1, name="half", kernel_quantizer="ste_sign", use_bias=False),
     "layer half is no LceBconv2d: its input quantizer is None"),
])
def test_float_fallbacks_are_named(layer, reason):
    image = tf.keras.layers.Input((8, 8, 64))
    model = tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(layer()(image)), name="net")
    problems = proof.fallbacks(model, tflite.parse(conversion.convert(model)))
    assert len(problems) == 1 and problems[0].startswith(reason)


def test_a_harmful_network_is_refused_and_leaves_nothing(tmp_path, run, monkeypatch):
    """16 input channels a group in every 1x1 convolution of the network."""
    plain = KerasOps.binary_conv

    def grouped(self, x, source, target, kernel, stride, dilation, name):
        if kernel > 1:
            return plain(self, x, source, target, kernel, stride, dilation, name)
        return lq.layers.QuantConv2D(self._count(target), 1, groups=2, input_quantizer="ste_sign", use_bias=False,
                                     kernel_quantizer="ste_sign", kernel_constraint="weight_clip", name=name)(x)

    monkeypatch.setattr(KerasOps, "binary_conv", grouped)
    harmful = tmp_path / "work"
    shutil.copytree(run, harmful)
    genotype = dataclasses.replace(Genotype.load(run / "genotype.json"), space=SPACE.replace(init_channels=16))
    genotype.save(harmful / "genotype.json", SHAPE, CLASSES)
    save_model(build_network(genotype, SHAPE, CLASSES), harmful / "model.h5")
    with pytest.raises(Failure, match="refused: layer cell_0_process_conv is no LceBconv2d: a group has 16 input"):
        export.main(config_of(harmful, tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_disagreement_is_refused_or_told(tmp_path, run, monkeypatch, capsys):
    monkeypatch.setattr(proof, "TOLERANCE", -1.0)  # no image is close enough
    with pytest.raises(Failure, match="refused: the file does not compute what was trained: 0 of 512 images"):
        export.main(config_of(run, tmp_path / "out"))
    assert not list(tmp_path.iterdir())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert export.main(config_of(run, tmp_path / "out", overwrite=True, allow_float_fallback=True)) == 0
    assert "warning: the file does not compute" in capsys.readouterr().err
    assert "**Not proven:**" in (tmp_path / "out" / "README.md").read_text()
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine" and (tmp_path / "out" / "tiny_net.tflite").exists()


def test_rounding_of_the_engine_is_told_from_a_fault(rng):
    """A constant so small that the engine's sums lose it changes the sign of a whole channel."""
    space = WIDE.replace(layout="N", num_nodes=1, init_channels=32)
    genotype = Genotype(space, (1.0,), (1,), ((((0, "bin_conv_1x1"),),),))
    model = random_model(genotype, rng, (16, 16, 3), 4)
    layer = model.get_layer("cell_0_process_bn")
    one, zero = np.ones(32), np.zeros(32)
    layer.set_weights([one, zero - 1e-8, zero, one])  # -1e-8 where ReLU gave 0
    fusible = conversion.fusible(genotype, model)
    images = rng.normal(size=(256, 16, 16, 3)).astype(np.float32)
    in_file = conversion.interpreter(conversion.convert(fusible))(images)
    twin = conversion.with_engine_rounding(fusible)
    assert proof.agreement(export.predict(model, images), in_file).close == 0
    assert proof.agreement(export.predict(twin, images), in_file).holds
    layer = twin.get_layer("head")
    layer.set_weights([layer.get_weights()[0][:, ::-1], layer.get_weights()[1]])
    assert not proof.agreement(export.predict(twin, images), in_file).holds


def test_agreement_counts_what_flips():
    expected = np.random.default_rng(0).normal(size=(100, 10)).astype(np.float32)
    found = expected.copy()
    assert proof.agreement(expected, found) == (100, 100, 100)
    found[0] += 0.1
    found[1] = found[1, ::-1]
    found[2, 0] = np.nan
    assert proof.agreement(expected, found)[1] == 97 and not proof.agreement(expected, found).holds


# Bad input


@pytest.mark.parametrize("name", ["", "1net", "net-1", "a/b", "../net", "a\nb", 'a"b', "class", "match", "print", "tf",
                                  "model", "Model", "CELLS", "tensorflow", "larq", "json", "näme", "a" * 65])
def test_names_that_are_refused(name):
    with pytest.raises(ValueError):
        zoo_module.check_name(name)


def test_hostile_strings_stay_strings(tmp_path, rng):
    genotype = random_genotype(SPACE, rng)
    facts = facts_of(genotype, HOSTILE, '"""\nimport os\n\\' * 20)
    text = zoo_module.module_text(LONG_NAME, genotype, facts, ("a", "b"))
    tree = ast.parse(text)
    values = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    assert ast.literal_eval(values["CLASS_NAMES"]) == HOSTILE
    plain = ast.parse(zoo_module.module_text(LONG_NAME, genotype, facts_of(genotype), ("a", "b")))
    kinds = [[type(node) for node in ast.walk(t) if isinstance(node, (ast.stmt, ast.Call))] for t in (tree, plain)]
    assert kinds[0] == kinds[1]
    (tmp_path / "some_net.py").write_text(text, encoding="utf-8")
    assert subprocess.run([sys.executable, "-m", "ruff", "check", "--config", ROOT / "ruff.toml", tmp_path],
                          capture_output=True).returncode == 0
    for label in HOSTILE:
        escaped = escape(label)
        assert "\n" not in escaped and escaped.isprintable()
        assert not re.search(r"(?<!\\)(?:\\\\)*[<>`|\[\]*_]", escaped)


def test_unfinished_runs_tell_the_missing_step(tmp_path, run, program):
    work = tmp_path / "work"

    def refused(words):
        with pytest.raises(InputError, match=words):
            export.main(config_of(work, tmp_path / "out"))

    refused("no such directory")
    work.mkdir()
    refused("no config.flags")
    shutil.copytree(run, work, dirs_exist_ok=True)
    (work / "summary.json").write_text("{}")
    refused("summary.json: has no cost, test_accuracy, test_images")
    (work / "summary.json").unlink()
    refused("no summary.json: its test has not finished")
    (work / "model.h5").unlink()
    done = program("export", f"--workdir={work}", "--name=net", f"--output={tmp_path / 'out'}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "no model.h5: its training has not finished; `bin/search --flagfile=" in done.stderr
    (work / "genotype.json").unlink()
    refused("no genotype.json: its search has not finished")
    shutil.copytree(run, work, dirs_exist_ok=True)
    genotype = dataclasses.replace(Genotype.load(run / "genotype.json"), depths=(0, 1))
    genotype.save(work / "genotype.json")
    refused("model.h5 is not the network of genotype.json")
    (work / "model.h5").write_bytes((run / "model.h5").read_bytes()[:20000])
    refused("model")
    assert {path.name for path in tmp_path.iterdir()} == {"work"}


def test_output_with_files_is_refused(tmp_path, run):
    (tmp_path / "notes.txt").write_text("mine")
    for output in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match="has files already|is a file"):
            export.main(config_of(run, output))
    with pytest.raises(InputError, match="--output=.*Not a directory"):
        export.main(config_of(run, tmp_path / "notes.txt" / "out"))


def test_without_the_compute_engine_all_else_is_written(tmp_path, run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "larq_compute_engine", None)
    assert export.main(config_of(run, tmp_path / "out")) == 0
    assert "no tiny_net.tflite, all else is written: larq-compute-engine is not installed" in capsys.readouterr().err
    assert len(list((tmp_path / "out").iterdir())) == 6 and not (tmp_path / "out" / "tiny_net.tflite").exists()
    assert "Deployment" not in (tmp_path / "out" / "README.md").read_text()


def test_summary_needs_one_file():
    for files in ({}, {"genotype": "a.json", "model": "b.h5"}):
        with pytest.raises(InputError, match="--genotype, --model: one of them is needed"):
            summary.main(Settings.of(**files))


def test_files_that_are_no_deployment_files(tmp_path, exported, monkeypatch):
    data = (exported[0] / "tiny_net.tflite").read_bytes()
    path = tmp_path / "some.tflite"
    for content, words in ((b"", "not a .tflite file"), (b"hello world", "not a .tflite"), (data[:3000], "damaged"),
                           (data[:8] + bytes(len(data)), "damaged|graphs")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"--model=.*some.tflite: .*({words})"):
            evaluate.load_tflite(str(path))
    with pytest.raises(InputError, match="No such file"):
        evaluate.load_tflite(str(tmp_path / "none.tflite"))
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"is for images \(28, 28, 1\) of 10 classes; .* has \(14, 14, 1\) of 10"):
        cli_evaluate.main(Settings.of(model=str(path), image_size=14))
    monkeypatch.setitem(sys.modules, "larq_compute_engine", None)
    with pytest.raises(Failure, match="larq-compute-engine is not installed"):
        evaluate.load_tflite(str(path))


# The float twin


def test_float_twin_is_the_same_network(rng):
    genotype = random_genotype(WIDE, rng)
    binary, twin = (build_network(genotype, SHAPE, CLASSES, precision=p) for p in ("binary", "float"))
    assert [w.shape for w in binary.weights] == [w.shape for w in twin.weights]
    assert {layer.name for layer in binary.layers if layer.weights} == {layer.name for layer in twin.layers if
                                                                       layer.weights}
    profile, costs = lq.models.ModelProfile(twin), facts_of(genotype).cost.as_float()
    assert (profile.op_count("mac", 1), profile.op_count("mac", 32)) == (0, costs.flops)
    assert costs.size_bytes * 8 == profile.memory


def test_train_a_float_twin(tmp_path, run, program):
    work = tmp_path / "work"
    done = program("train", f"--genotype={run / 'genotype.json'}", "--precision=float", "--train_epochs=1",
                   "--max_steps=1", f"--workdir={work}")
    assert done.returncode == 0, done.stderr
    found = json.loads((work / "summary.json").read_text())
    assert found["precision"] == "float" and found["cost"]["bops"] == 0
    with pytest.raises(InputError, match="float twin"):
        export.main(config_of(work, tmp_path / "out"))
