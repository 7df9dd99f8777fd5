"""NASB's programs as a user starts them: three stages, what they are compared with, and what bad input gets."""

import csv
import json
import time

import numpy as np
import pytest
from test_resume import assert_equal, killed_run, start, state

from bars_tf.files import read_json
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.network.model_files import load_model
from bars_tf.space import backbones
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.distillation import Distillation

BACKBONE = [[4, 1, 1], [8, 2, 2]]
SPACE = {"name": "mine", "stem": "conv_3x3_2", "init_channels": 4, "num_nodes": 2, "max_inputs": 2, "sharing": "none",
         "primitives": ["none", "skip", "max_pool_3x3", "bin_conv_1x1", "bin_conv_3x3"], "width_choices": [1.0],
         "input_quantizer": "approx_sign", "backbone": BACKBONE}
TINY = ("--flagfile=nasb_quickstart.flags", "--max_steps=3", "--search_epochs=2", "--warmup_epochs=1",
        "--pretrain_epochs=1", "--train_epochs=2", "--num_candidates=2", "--eval_batch_size=64", "--deterministic")


def space_file(directory, **changes):
    path = directory / "mine.json"
    path.write_text(json.dumps(SPACE | changes))
    return f"--space={path}"


def own(directory, **changes):
    """Flags of a tiny run with a backbone of the user's own."""
    flags = [flag for flag in TINY if not flag.startswith("--flagfile")]
    return (space_file(directory, **changes), *flags, "--dataset=fashion_mnist_small", "--teacher=twin",
            "--batch_size=16", "--train_batch_size=16", "--train_backbone", "--max_overhead=0.5",
            f"--workdir={directory / 'work'}")


def make_space():
    return SearchSpace.from_dict(SPACE)


def epochs(path):
    with open(path, newline="") as file:
        return [row["epoch"] for row in csv.DictReader(file)]


def test_the_whole_way(program, tmp_path):
    """Search, teacher, pre-training and training of the network and of its backbone; then again: nothing is left.
    The exported network is binary, but for what its genotype declares."""
    work = tmp_path / "work"
    done = program("search", *own(tmp_path))
    assert done.returncode == 0, done.stderr
    for part in ("backbone's accuracy", "overhead", "backbone  "):
        assert part in done.stdout
    summary = read_json(work / "summary.json")
    assert all(-1e-9 <= share <= 0.5 for share in summary["overhead"].values())
    assert set(summary["stage_seconds"]) == {"teacher", "pretrain", "train"}
    assert 0 <= summary["backbone"]["test_accuracy"] <= 1
    for stage, ran in (("teacher", 2), ("pretrain", 1), ("train", 2), ("backbone/pretrain", 1), ("backbone/train", 2)):
        assert epochs(work / stage / "log.csv") == ["1", "2"][:ran]
    genotype = Genotype.load(work / "genotype.json")
    model = load_model(str(work / "model.h5"))
    rebuilt = build_network(genotype, model.input_shape[1:], 10)
    assert [w.shape for w in model.weights] == [w.shape for w in rebuilt.weights]  # nothing of a teacher

    before = {path: path.read_bytes() for path in work.rglob("*.h5")}
    again = program("search", *own(tmp_path))
    assert again.returncode == 0 and again.stdout == done.stdout
    assert {path: path.read_bytes() for path in work.rglob("*.h5")} == before

    done = program("export", f"--workdir={work}", "--name=some_net", f"--output={tmp_path / 'out'}",
                   "--allow_float_fallback")  # a network that has hardly been trained decides by rounding
    assert done.returncode == 0, done.stderr
    assert "2 float ones" in done.stderr


def test_stages_begin_where_the_one_before_ended(tmp_path, program):
    """Training after pre-training starts from its weights: after a step at a rate of 0, nearly, they are those."""
    backbones.backbone(make_space()).save(tmp_path / "genotype.json")
    flags = (f"--genotype={tmp_path / 'genotype.json'}", "--dataset=fashion_mnist_small", "--max_steps=2",
             "--train_warmup_epochs=0", "--deterministic")
    done = program("train", *flags, "--pretrain_epochs=1", "--train_epochs=1", "--train_lr=1e-12",
                   f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 0, done.stderr
    pretrained = load_model(str(tmp_path / "work/pretrain/best_model.h5"))
    trained = load_model(str(tmp_path / "work/model.h5"))
    layers = {layer.name: layer for layer in pretrained.layers}
    for layer in (layer for layer in trained.layers if layer.weights):
        for value, before in zip(layer.trainable_weights, layers[layer.name].trainable_weights):
            np.testing.assert_allclose(value, before, atol=1e-6)
    quantizers = {getattr(layer, "kernel_quantizer", None) is None
                  for layer in pretrained.layers if "backbone" in layer.name and "conv" in layer.name}
    assert quantizers == {True}


def test_a_teacher_teaches(rng):
    """Distillation alone brings a network to its teacher; the teacher stays as it is, and is not saved."""
    tf.keras.utils.set_random_seed(0)
    teacher = build_network(backbones.backbone(make_space()), (8, 8, 1), 3, precision="float")
    network = build_network(backbones.backbone(make_space()), (8, 8, 1), 3)
    teacher.get_layer("head").set_weights([rng.normal(size=v.shape) for v in teacher.get_layer("head").get_weights()])
    images = rng.normal(size=(64, 8, 8, 1)).astype(np.float32)
    taught = teacher(images, training=False).numpy().argmax(-1)
    before = teacher.get_weights()
    model = Distillation(network, teacher, 0.99)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.legacy.Adam(1e-2), loss, metrics=["accuracy"])
    model.fit(images, rng.integers(0, 3, 64), batch_size=64, epochs=60, verbose=0)  # the labels tell nothing
    assert (network(images, training=True).numpy().argmax(-1) == taught).mean() > 0.8
    assert all((a == b).all() for a, b in zip(before, teacher.get_weights()))
    assert len(model.weights) == len(network.weights)


def test_the_float_twin_of_a_backbone_is_not_linear(rng):
    """Its binary form has no other non-linearity than the sign."""
    twin = build_network(backbones.backbone(make_space()), (8, 8, 1), 3, precision="float")
    x, y = rng.normal(size=(2, 16, 8, 8, 1)).astype(np.float32)
    f = [twin(images, training=False).numpy() for images in (x, y, x + y, 0 * x)]
    assert abs(f[0] + f[1] - f[2] - f[3]).max() > 1e-2 * abs(f[2]).max()


@pytest.mark.parametrize("flags, words", [
    (["--backbone=resnet19"], "--backbone=resnet19: must be one of resnet18"),
    (["--kernel_quantizer=dorefa"], "--kernel_quantizer=dorefa: must be one of ste_sign, magnitude_aware_sign"),
    (["--input_quantizer=relu"], "--input_quantizer=relu: must be one of"),
    (["--max_overhead=-0.1"], "--max_overhead=-0.1: must be a number of at least 0"),
    (["--max_overhead=ops"], "must be a number of at least 0"),
    (["--num_paths=0"], "--num_paths=0: must be a whole number of at least 1"),
    (["--width_multiplier=0.3"], "--width_multiplier=0.3: must make whole numbers of 16, 32, 64 channels"),
    (["--image_size=8", "--stem=resnet"], "its strides make one pixel of 16x16, the images have 8x8"),
    (["--teacher="], "must not be empty"),
    (["--teacher=nowhere.h5"], "--teacher="),
    (["--width_choices=0.5,1"], "--width_choices=0.5,1: must be 1 with a backbone"),
    (["--layout=NR"], "a backbone fixes the cells"),
    (["--primitives=skip,bin_conv_3x3"], "needs none with a backbone"),
    (["--budgets=200k,220k"], "takes the place of the overhead"),
    (["--space=bars", "--backbone=resnet20"], "needs --space=nasb"),
    (["--space=bars", "--max_overhead=0.1"], "has no backbone"),
    (["--budget_ops=1k"], "--budget_ops=1000: is below the smallest network"),
])
def test_bad_input(program, tmp_path, flags, words):
    kept = [flag for flag in flags if flag.startswith("--space=bars")]
    base = [] if kept else ["--flagfile=nasb_quickstart.flags"]
    done = program("search", *base, *flags, f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3 and "Traceback" not in done.stderr


def test_bad_stages(program, tmp_path):
    genotype = backbones.backbone(make_space())
    genotype.save(tmp_path / "genotype.json")
    build_network(genotype, (28, 28, 1), 7).save(tmp_path / "teacher.h5")
    logits = build_network(genotype, (28, 28, 1), 10)
    tf.keras.Model(logits.input, tf.keras.layers.Softmax()(logits.output)).save(tmp_path / "layer.h5")
    tf.keras.Model(logits.input, tf.keras.layers.Dense(10, "softmax")(logits.output)).save(tmp_path / "softmax.h5")
    ending = tf.keras.Sequential([tf.keras.layers.Input(10), tf.keras.layers.Dense(10, "softmax")])
    tf.keras.Sequential([logits, ending]).save(tmp_path / "nested.h5")
    base = [f"--genotype={tmp_path / 'genotype.json'}", f"--workdir={tmp_path / 'work'}"]
    for flags, words in (
            (["--precision=float", "--pretrain_epochs=2"], "--pretrain_epochs=2: has no place in the training of"),
            (["--precision=float", "--teacher=twin"], "--teacher=twin: has no place"),
            (["--distillation=0.5"], "--distillation=0.5: needs --teacher=twin"),
            ([f"--teacher={tmp_path / 'teacher.h5'}"], "is for images (28, 28, 1) of 7 classes; fashion_mnist"),
            ([f"--teacher={tmp_path / 'softmax.h5'}"], "must end in logits"),
            ([f"--teacher={tmp_path / 'nested.h5'}"], "must end in logits"),
            ([f"--teacher={tmp_path / 'layer.h5'}"], "Softmax")):
        done = program("train", *base, *flags)
        assert done.returncode == 2 and words in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.long
def test_killed_in_any_stage(tmp_path):
    """A run that is killed again and again ends in the same numbers as one that is not."""
    flags = [flag for flag in own(tmp_path) if not flag.startswith("--workdir")]
    whole = start(tmp_path / "whole", *flags)
    began = time.monotonic()
    errors = whole.stderr.read()
    assert whole.wait() == 0, errors
    print(killed_run(tmp_path / "killed", 6, (time.monotonic() - began) / 3, flags), "kills")
    assert_equal(state(tmp_path / "killed"), state(tmp_path / "whole"))
    for stage in ("teacher", "pretrain", "backbone/pretrain", "backbone/train"):
        models = [load_model(str(tmp_path / run / stage / "best_model.h5")).get_weights()
                  for run in ("killed", "whole")]
        assert all((a == b).all() for a, b in zip(*models)), stage
