"""`bin/search` and `bin/train` with a backbone: stages, and the comparison with the backbone."""

import csv
import time

import numpy as np
import pytest
from backbone_space import BACKBONE_SPACE, own_flags
from helpers import HAS_ENGINE
from killed_runs import assert_equal, killed_run, start, state

from bars_tf.files import read_json
from bars_tf.network.keras_network import build_network
from bars_tf.network.model_files import load_model
from bars_tf.space import backbones
from bars_tf.space.genotype import Genotype


def epochs(path):
    with open(path, newline="") as file:
        return [row["epoch"] for row in csv.DictReader(file)]


def test_the_whole_way(program, program_here, tmp_path):
    """Search, teacher, pre-training and training of the network and of its backbone; then again: nothing is left.
    The exported network is binary, but for what its genotype declares."""
    work = tmp_path / "work"
    done = program("search", *own_flags(tmp_path))
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
    again = program_here("search", *own_flags(tmp_path))
    assert again.returncode == 0 and again.stdout == done.stdout
    assert {path: path.read_bytes() for path in work.rglob("*.h5")} == before

    done = program_here("export", f"--workdir={work}", "--name=some_net", f"--output={tmp_path / 'out'}",
                   "--allow_float_fallback")  # a network that has hardly been trained decides by rounding
    assert done.returncode == 0, done.stderr
    assert "2 float ones" in done.stderr or not HAS_ENGINE


def test_stages_begin_where_the_one_before_ended(tmp_path, program_here):
    """Training after pre-training starts from its weights: after a step at a rate of 0, nearly, they are those."""
    backbones.backbone(BACKBONE_SPACE).save(tmp_path / "genotype.json")
    flags = (f"--genotype={tmp_path / 'genotype.json'}", "--dataset=fashion_mnist_small", "--max_steps=2",
             "--train_warmup_epochs=0", "--deterministic")
    done = program_here("train", *flags, "--pretrain_epochs=1", "--train_epochs=1", "--train_lr=1e-12",
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


@pytest.mark.long
def test_killed_in_any_stage(tmp_path):
    """A run that is killed again and again ends in the same numbers as one that is not."""
    flags = [flag for flag in own_flags(tmp_path) if not flag.startswith("--workdir")]
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
