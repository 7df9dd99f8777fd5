"""`bin/tune` as a user starts it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_SMALL

SPACE = BARS_SMALL.replace(init_channels=4, stem_channels=4, num_nodes=2, layout="NR", width_choices=(0.5, 1.0))
TINY = ("--flagfile=quickstart.flags", "--init_channels=4", "--stem_channels=4", "--num_nodes=2", "--layout=NR",
        "--width_choices=0.5,1", "--budget_ops=13k", "--max_steps=2", "--train_epochs=2", "--train_warmup_epochs=0",
        "--trial_epochs=1", "--eval_batch_size=64")


def start(*flags, **environment):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen([ROOT / "bin" / "tune", *map(str, flags)], text=True, stderr=subprocess.PIPE,
                            stdout=subprocess.PIPE, env={**os.environ, "PATH": path, **environment})


@pytest.mark.long
def test_training_settings(program, tmp_path):
    Genotype(SPACE, (1.0, 1.0), (1, 0), (((),) * 2,) * 2).save(tmp_path / "genotype.json")
    done = program("tune", *TINY, "--what=training", "--tuner=random", "--max_trials=2",
                   f"--genotype={tmp_path / 'genotype.json'}", f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 0, done.stderr
    tuned = (tmp_path / "work" / "tuned.flags").read_text()
    found = json.loads((tmp_path / "work" / "trials.json").read_text())
    assert f"--train_lr={found['best']['values']['train_lr']}" in tuned.splitlines()
    assert "in its trial" in done.stdout


@pytest.mark.long
def test_architectures_within_a_time(program, tmp_path):
    done = program("tune", *TINY, "--what=architecture", "--tuner=random", "--max_trials=2", "--budget_ops=none",
                   "--device=rpi4b", "--budget_latency=250us", f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 0 and "of 250" in done.stdout and "µs, estimated" in done.stdout, done.stderr
    assert 0 < json.loads((tmp_path / "work" / "summary.json").read_text())["cost"]["latency_us"] <= 250
    assert json.loads((tmp_path / "work" / "device.json").read_text())["name"] == "rpi4b"


@pytest.mark.long
def test_architectures_after_a_kill(program, tmp_path):
    """Killed in its second trial, the same command resumes with that one."""
    flags = [*TINY, "--what=architecture", "--tuner=random", "--max_trials=3", f"--workdir={tmp_path / 'work'}"]
    process = start(*flags)
    for line in process.stderr:
        if line.startswith("tune  trial 1"):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    done = program("tune", *flags)
    assert done.returncode == 0, done.stderr
    assert "trial 0" not in done.stderr and "trial 1  epochs" in done.stderr and "Traceback" not in done.stderr
    summary = json.loads((tmp_path / "work" / "summary.json").read_text())
    assert summary["tuner"]["trials"] == 3 and summary["tuner"]["tuner"] == "random"
    assert summary["cost"]["ops"] <= 13e3 and summary["search_seconds"] > 0
    rows = json.loads((tmp_path / "work" / "candidates.json").read_text())["candidates"]
    scores = [row["accuracy"] for row in rows]
    assert len(rows) == 3 and scores == sorted(scores, reverse=True)
    assert Genotype.load(tmp_path / "work" / "genotype.json") == Genotype.from_dict(rows[0]["genotype"])
    assert "3 trials" in (tmp_path / "work" / "report.html").read_text()


@pytest.mark.long
def test_two_workers(tmp_path):
    """A chief and two workers share the trials of one work directory."""
    flags = [*TINY, "--what=architecture", "--tuner=bayesian", "--max_trials=6", f"--workdir={tmp_path / 'work'}"]
    where = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(20000 + os.getpid() % 20000)}
    processes = {name: start(*flags, KERASTUNER_TUNER_ID=name, **where) for name in ("chief", "tuner0", "tuner1")}
    outputs = {name: process.communicate(timeout=900) for name, process in processes.items()}
    assert all(process.returncode == 0 for process in processes.values()), outputs
    assert "validation accuracy" not in outputs["chief"][1].partition("tune  6 trials")[0]
    assert all("validation accuracy" in outputs[name][1] for name in ("tuner0", "tuner1"))
    assert json.loads((tmp_path / "work" / "trials.json").read_text())["trials"] == 6
    assert "test accuracy" in outputs["chief"][0]
