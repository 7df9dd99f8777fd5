"""The commands of the pages, run as they stand there: those of seconds, and by `bin/test --long` all of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from pages import PAGES, blocks, commands, name_of
from PIL import Image

QUICK = {"summary", "report", "runs", "evaluate"}
# What makes any run one of a minute.
FAST = "--max_steps=2 --train_epochs=1 --train_warmup_epochs=0 --eval_batch_size=64"
ADDED = {"search": f"{FAST} --search_epochs=1 --warmup_epochs=0 --num_candidates=2 --pretrain_epochs=0",
         "train": f"{FAST} --pretrain_epochs=0", "tune": f"{FAST} --trial_epochs=1 --max_trials=2",
         "compare": f"{FAST} --pretrain_epochs=0 --num_random=1 --repeat_random=0 --train_seeds=1"}
ELSEWHERE = ("bin/test", "TF_CONFIG", "pip install", "mkdocs", "--mlflow")  # not for a test


@pytest.fixture
def directory(finished, tmp_path):
    """A directory that has what the pages name: RUN, runs/, IMAGES, DATA, configs/, docs/."""
    shutil.copytree(finished[0], tmp_path / "RUN")
    shutil.copytree(finished[0], tmp_path / "runs" / "one")
    for name in ("configs", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("cat", "dog"):
        (tmp_path / "IMAGES" / name).mkdir(parents=True)
        for i, pixels in enumerate(np.random.default_rng(0).integers(0, 255, (200, 40, 36, 3), np.uint8)):
            Image.fromarray(pixels).save(tmp_path / "IMAGES" / name / f"{i}.png")
    return tmp_path


def test_quick_commands(directory, program_here, monkeypatch):
    monkeypatch.chdir(directory)
    shutil.copytree("runs", "compare")
    found = {tuple(command) for page in PAGES for block in blocks(page, "sh") for command in commands(block)}
    # A deployment file takes long to make, MLflow is an extra, and data sets are not everywhere.
    quick = [command for command in sorted(found) if command[0] in QUICK
             and not any(".tflite" in word or word in ("--mlflow", "--data_dir=DATA") for word in command)]
    assert {program for program, *_ in quick} == QUICK
    for command in quick:
        done = program_here(*command)
        assert done.returncode == 0, (command, done.stderr)


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_all_commands(page, directory):
    """In few steps each; those on CIFAR-10 where BARS_DATA_DIR names a directory that has it."""
    data = os.environ.get("BARS_DATA_DIR")
    if data:
        (directory / "DATA").symlink_to(Path(data).resolve())
    (directory / "bin").mkdir()
    for program in (ROOT / "bin").iterdir():
        if not program.name.startswith("_"):
            (directory / "bin" / program.name).write_text(
                f'#!/bin/sh\nexec "{program}" "$@" {ADDED.get(program.name, "")}\n')
            (directory / "bin" / program.name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for text in blocks(page, "json"):
        (directory / "mine.json").write_text(text)
    for block in blocks(page, "sh"):
        if any(word in block for word in ELSEWHERE) or not data and ("DATA" in block or "=cifar.flags" in block):
            continue
        done = subprocess.run(["bash", "-e", "-c", block], cwd=directory, capture_output=True, text=True,
                              env=environment)
        assert done.returncode == 0, f"{block}\n{done.stderr[-3000:]}"
