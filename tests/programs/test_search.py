"""`bin/search` on a small network: the whole way, resuming, and stops."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, TINY

from bars_tf.space.genotype import Genotype

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


def test_a_finished_run_is_not_repeated(copy_of_finished, program_here):
    directory = copy_of_finished
    before = (directory / "genotype.json").stat().st_mtime_ns
    again = program_here("search", *TINY, f"--workdir={directory}")
    assert again.returncode == 0, again.stderr
    assert "search  epoch" not in again.stderr and "train  epoch" not in again.stderr
    assert (directory / "genotype.json").stat().st_mtime_ns == before


def test_a_terminated_run_says_how_to_go_on(tmp_path):
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


def test_nan_stops_with_the_step_and_keeps_what_was_saved(program_here, tmp_path):
    directory = tmp_path / "work"
    done = program_here("search", *TINY, f"--workdir={directory}", "--weight_lr=1e38", "--clip_norm=0")
    assert done.returncode == 1
    assert "is not finite at epoch" in done.stderr.splitlines()[-1] and "step" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert (directory / "config.flags").exists()
