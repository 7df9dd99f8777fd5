"""The programs as a user starts them: the whole way, resuming, and what bad input gets."""

import csv
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, refused

from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_PAPER, BARS_SMALL

NOISE = ("WARNING", "cuda", "oneDNN", "Traceback", "tensorflow/", "UserWarning")


def test_search_runs_the_whole_way(finished):
    directory, done = finished
    assert done.returncode == 0, done.stderr
    for word in NOISE:
        assert word not in done.stdout + done.stderr
    assert "left" in done.stderr and "the whole run: about" in done.stderr
    assert "micro choices are undecided" in done.stderr  # three steps decide nothing
    assert "the budget leaves out no network: the largest of the space has ops 16," in done.stderr
    for word in ("BOPs", "FLOPs", "OPs", "of 100,000", "parameters", "bytes", "deployed", "search accuracy",
                 "test accuracy", "192 images", "times", "genotype.json"):
        assert word in done.stdout, done.stdout
    summary = json.loads((directory / "summary.json").read_text())
    assert {"space", "dataset", "seed", "budget", "cost", "search_accuracy", "test_accuracy", "search_seconds",
            "train_seconds", "versions"} <= set(summary)
    assert summary["cost"]["ops"] <= summary["budget"]["ops"] == 100e3
    assert Genotype.load(directory / "genotype.json").space.init_channels == 4
    assert "report.html" in done.stdout and (directory / "report.html").stat().st_size < 3e6
    candidates = json.loads((directory / "candidates.json").read_text())["candidates"]
    assert all(c["cost"]["ops"] <= 100e3 for c in candidates)
    rows = list(csv.DictReader((directory / "search" / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert {"loss", "accuracy", "arch_loss", "arch_accuracy", "expected_ops", "skip_share", "none_share",
            "width_entropy", "depth_entropy", "micro_entropy", "bin_conv_3x3_share", "derived_ops",
            "temperature"} <= set(rows[0])
    shares = [sum(float(row[f"{name}_share"]) for name in ("none", "skip", "bin_conv_3x3")) for row in rows]
    assert shares == pytest.approx([1.0] * 3, abs=1e-4)
    assert all(float(row["derived_ops"]) <= 100e3 for row in rows)
    lines = [json.loads(line) for line in (directory / "search" / "trajectory.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert np.shape(lines[0]["widths"]) == (2, 2) and np.shape(lines[0]["edges"]) == (2, 3, 3)
    assert list((directory / "search" / "tensorboard" / "cells").glob("events*"))


def test_a_run_keeps_what_the_test_images_were_taken_for(finished):
    directory, _ = finished
    summary = json.loads((directory / "summary.json").read_text())
    confusion = json.loads((directory / "confusion.json").read_text())
    counts = np.array(confusion["counts"])
    assert counts.shape == (10, 10) and counts.sum() == summary["test_images"]
    assert np.trace(counts) / counts.sum() == pytest.approx(summary["test_accuracy"])
    assert confusion["class_names"] == summary["class_names"] and "Ankle boot" in summary["class_names"]


def test_a_finished_run_is_not_repeated(finished, program):
    directory, _ = finished
    before = (directory / "genotype.json").stat().st_mtime_ns
    again = program("search", *TINY, f"--workdir={directory}")
    assert again.returncode == 0, again.stderr
    assert "search  epoch" not in again.stderr and "train  epoch" not in again.stderr
    assert (directory / "genotype.json").stat().st_mtime_ns == before


def test_a_stopped_search_resumes(finished, program, tmp_path):
    """What is deleted is what a run that was stopped after its search had not written yet."""
    directory, _ = finished
    copy = tmp_path / "work"
    shutil.copytree(directory, copy)
    for name in ("genotype.json", "candidates.json", "model.h5", "summary.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / "train")
    again = program("search", *TINY, f"--workdir={copy}")
    assert again.returncode == 0, again.stderr
    assert "search  epoch" not in again.stderr
    assert (copy / "genotype.json").read_bytes() == (directory / "genotype.json").read_bytes()


def test_evaluate_and_summary_agree_with_the_run(finished, program):
    directory, _ = finished
    summary = json.loads((directory / "summary.json").read_text())
    done = program("evaluate", f"--model={directory / 'model.h5'}", *TINY, "--json")
    assert done.returncode == 2 and "--init_channels: not a flag of evaluate, but of search" in done.stderr
    done = program("evaluate", f"--model={directory / 'model.h5'}", "--eval_batch_size=64", "--max_steps=3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] == pytest.approx(summary["test_accuracy"])
    done = program("summary", f"--genotype={directory / 'genotype.json'}", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cost"] == summary["cost"]
    assert json.loads(done.stdout)["deployment"] == summary["deployment"]
    assert "total" in program("summary", f"--genotype={directory / 'genotype.json'}").stdout


def test_train_retrains_a_genotype(finished, program, tmp_path):
    directory, _ = finished
    done = program("train", f"--genotype={directory / 'genotype.json'}", "--train_epochs=1", "--max_steps=2",
                   "--budget_ops=1k", f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 0, done.stderr
    assert " ops, above --budget_ops=1000" in done.stderr
    assert (tmp_path / "work" / "model.h5").exists()


@pytest.mark.parametrize("flags, words", [
    (["--dataset=cifar_10"], ["--dataset=cifar_10", "cifar10"]),
    (["--space=bras"], ["--space=bras", "bars"]),
    (["--primitives=none,bin_conv_7x7"], ["bin_conv_7x7", "bin_conv_3x3"]),
    (["--sampling=hard"], ["--sampling=hard", "gumbel_hard"]),
    (["--weight_optimizer=adamw"], ["--weight_optimizer=adamw", "sgd"]),
    (["--budget_ops=1000"], ["--budget_ops=1000", "reaches from"]),
    (["--budget_params=1000"], ["--budget_params=1000", "reaches from"]),
    (["--budget_peak=1k"], ["--budget_peak=1000", "reaches from 34496 to 150528"]),
    (["--budget_bops=12Q"], ["--budget_bops", "12Q", "12.5M"]),
    (["--width_choices="], ["--width_choices"]),
    (["--width_choices=-1,1"], ["--width_choices", "above 0"]),
    (["--width_choices=1,0.5"], ["--width_choices", "increase"]),
    (["--depth_choices="], ["--depth_choices"]),
    (["--depth_choices=2,1"], ["--depth_choices", "increase"]),
    (["--depth_choices=-1,1"], ["--depth_choices", "at least 0"]),
    (["--batch_size=5000"], ["--batch_size=5000", "3150"]),
    (["--train_batch_size=50000"], ["--train_batch_size=50000", "6300"]),
])
def test_bad_flags_get_one_line(program, tmp_path, flags, words):
    done = program("search", "--flagfile=quickstart.flags", f"--workdir={tmp_path / 'work'}", *flags)
    refused(done, words)


GENOTYPE = Genotype(BARS_SMALL, (1.0, 1.0), (1, 1), (((),) * 4,) * 5)


def changed(**changes):
    return json.dumps({**GENOTYPE.to_dict(), **changes})


@pytest.mark.parametrize("text, words", [
    (changed()[:200], ["not JSON"]),
    ("widths: 1", ["not JSON"]),
    (changed(format="another/1"), ["not a bars_tf.genotype/1"]),
    (changed(widths=[0.3, 1.0]), ["widths[0]=0.3", "0.25"]),
    (changed(space={**BARS_PAPER.to_dict()}), ["topologies must have the keys"]),
    (changed(topologies={**GENOTYPE.to_dict()["topologies"], "normal_0": [[[1, "skip"]], [], [], []]}),
     ["node 1", "source 1", "earlier node"]),
    (changed(color="red"), ["unknown key 'color'"]),
])
def test_bad_genotype_files_get_one_line(program, tmp_path, text, words):
    path = tmp_path / "genotype.json"
    path.write_text(text)
    done = program("train", f"--genotype={path}", f"--workdir={tmp_path / 'work'}")
    refused(done, ["--genotype", *words])
    refused(program("summary", f"--genotype={path}"), ["--genotype", *words])


def test_missing_genotype_file(program, tmp_path):
    refused(program("summary", f"--genotype={tmp_path / 'none.json'}"), ["--genotype", "No such file"])


def test_work_directory_of_another_configuration(finished, program):
    directory, _ = finished
    done = program("search", *TINY, f"--workdir={directory}", "--seed=3", "--train_lr=0.5")
    refused(done, ["--workdir", "--seed=0 there, 3 here", "--train_lr=0.01 there, 0.5 here"])


def test_work_directory_that_cannot_be_written(program, tmp_path):
    (tmp_path / "file").write_text("")
    refused(program("search", *TINY, f"--workdir={tmp_path / 'file' / 'work'}"), ["--workdir", "Not a directory"])


def test_one_run_a_work_directory(program, tmp_path):
    directory = tmp_path / "work"
    directory.mkdir()
    with (directory / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refused(program("search", *TINY, f"--workdir={directory}"), ["--workdir", "another run"])


def test_a_terminated_run_says_how_to_go_on(tmp_path):
    from helpers import ROOT

    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen([ROOT / "bin" / "search", *TINY, f"--workdir={tmp_path / 'work'}"], text=True,
                               stderr=subprocess.PIPE, env={**os.environ, "PATH": path})
    for line in process.stderr:
        if line.startswith("search  building"):
            process.terminate()
            break
    rest = process.stderr.read()
    assert process.wait() == 130
    assert rest.splitlines()[-1] == "search: interrupted; the same command resumes"


def test_nan_stops_with_the_step_and_keeps_what_was_saved(program, tmp_path):
    directory = tmp_path / "work"
    done = program("search", *TINY, f"--workdir={directory}", "--weight_lr=1e38", "--clip_norm=0")
    assert done.returncode == 1
    assert "is not finite at epoch" in done.stderr.splitlines()[-1] and "step" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert (directory / "config.flags").exists()


def test_a_model_that_could_run_code_is_not_loaded(program, tmp_path):
    from bars_tf.legacy_keras import tf

    model = tf.keras.Sequential([tf.keras.layers.Input((28, 28, 1)), tf.keras.layers.Flatten(),
                                 tf.keras.layers.Lambda(lambda x: x), tf.keras.layers.Dense(10)])
    model.save(tmp_path / "model.h5")
    refused(program("evaluate", f"--model={tmp_path / 'model.h5'}"), ["--model", "Lambda"])
    (tmp_path / "model.h5").write_bytes(b"no model")
    refused(program("evaluate", f"--model={tmp_path / 'model.h5'}"), ["--model", "not an HDF5 file"])
