"""`bin/compare` as a user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

from bars_tf.cli import command_line, compare, train
from bars_tf.errors import InputError
from bars_tf.space.genotype import Genotype

TINY = ("--flagfile=quickstart_compare.flags", "--init_channels=4", "--stem_channels=4", "--layout=NR",
        "--budget_bops=100k", "--max_steps=2", "--train_epochs=1", "--eval_batch_size=64", "--repeat_random=0",
        "--num_random=1")


def test_a_comparison_and_its_parts(program, tmp_path, capsys):
    """A process trains a hand-made network; a second start adds a searched one; `bin/train` repeats the former.

    The budget has room for one block a stage.
    """
    directory = tmp_path / "work"
    flags = [*TINY, "--budget_bops=6k", "--references=quicknet", "--num_random=0", "--train_seeds=1",
             f"--workdir={directory}"]
    done = program("compare", *flags)
    assert done.returncode == 0, done.stderr
    assert "network 1 of 1: quicknet_1, seed 0, begins" in done.stderr, done.stderr
    assert "| quicknet_1 | 1 |" in done.stdout and "compare.md, compare_ops.png" in done.stdout
    trained = directory / "networks" / "quicknet_1_seed0"
    (tmp_path / "found.json").write_bytes((trained / "genotype.json").read_bytes())
    compare.main(command_line.parse("compare", [*flags, f"--genotypes={tmp_path / 'found.json'}"]))
    printed = capsys.readouterr()
    for words in ("network 1 of 2: found, seed 0, begins", "network 2 of 2: quicknet_1, seed 0, is trained"):
        assert words in printed.err, printed.err
    assert "| quicknet: quicknet_1, the best of 1 by validation images | +0.00 | +0.00 |" in printed.out
    rows = {row["name"]: row for row in json.loads((directory / "compare.json").read_text())["networks"]}
    assert [row["kind"] for row in rows.values()] == ["searched", "reference"]
    # The same network by the same training, in another process.
    for key in ("genotype", "cost", "epochs", "seed", "validation_accuracy", "test_accuracy"):
        assert rows["found"][key] == rows["quicknet_1"][key]
    assert Genotype.from_dict(rows["found"]["genotype"]) == Genotype.load(trained / "genotype.json")
    assert rows["quicknet_1"]["cost"]["bops"] == 3528
    assert (trained / "model.h5").exists() and not (trained / "train" / "checkpoints").exists()
    train.main(command_line.parse("train", [f"--flagfile={trained / 'config.flags'}", f"--workdir={tmp_path / 'one'}"]))
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    assert summary["test_accuracy"] == rows["quicknet_1"]["test_accuracy"]
    assert "bin/train --flagfile=" in (tmp_path / "one" / "report.html").read_text()


def test_flags_of_networks(tmp_path):
    for flags in ([], ["--genotype=a.json", "--network=bars_uniform"]):
        with pytest.raises(InputError, match="--genotype, --network: exactly one of them is needed"):
            command_line.parse("train", flags)
    with pytest.raises(InputError, match="--network=quicknet: needs a budget"):
        train.main(command_line.parse("train", ["--network=quicknet"]))
    with pytest.raises(InputError, match="--network=bars_uniform: its smallest"):
        train.main(command_line.parse("train", [*TINY[:-2], "--network=bars_uniform", "--budget_bops=500",
                                                f"--workdir={tmp_path}"]))


@pytest.mark.long
def test_a_comparison_within_a_time(program, tmp_path):
    done = program("compare", *TINY, "--budget_bops=none", "--budget_ops=none", "--device=rpi4b",
                   "--budget_latency=250us", "--references=quicknet", "--train_seeds=1", f"--workdir={tmp_path}")
    assert done.returncode == 0 and "budget 250 µs, estimated" in done.stdout, done.stderr
    networks = json.loads((tmp_path / "compare.json").read_text())["networks"]
    assert {network["kind"] for network in networks} == {"random", "reference"}
    assert all(0 < network["cost"]["latency_us"] <= 250 for network in networks)


@pytest.mark.long
def test_a_killed_comparison_ends_as_one_that_was_not(program, tmp_path):
    flags = [*TINY, "--num_random=2", "--references=none", "--train_epochs=4", "--max_steps=10", "--deterministic"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen([ROOT / "bin" / "compare", *flags, f"--workdir={tmp_path / 'killed'}"], text=True,
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PATH": path})
    second = False
    for line in process.stderr:
        second = second or "network 2 of 2" in line
        if second and "epoch 2/4" in line:
            process.kill()
            break
    process.communicate()
    for name in ("killed", "whole"):
        done = program("compare", *flags, f"--workdir={tmp_path / name}")
        assert done.returncode == 0, done.stderr
        assert ("random_0, seed 0, is trained" in done.stderr) == (name == "killed")
        assert ("epoch 1/4" in done.stderr) == (name == "whole")
    killed, whole = ([{**row, "train_seconds": 0} for row in json.loads((tmp_path / name / "compare.json").read_text())[
        "networks"]] for name in ("killed", "whole"))
    assert killed == whole


@pytest.mark.long
def test_quickstart_compare(program, tmp_path):
    """At most 10 minutes on two quiet cores."""
    flags = ["--flagfile=quickstart_compare.flags", f"--workdir={tmp_path / 'work'}"]
    done = program("compare", *flags, timeout=1800)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "work" / "compare.json").read_text())
    assert found["trainings"] == len(found["networks"])
    assert all(row["cost"]["bops"] <= 3e6 and row["epochs"] == 5 for row in found["networks"])
    done = program("search", flags[0], f"--workdir={tmp_path / 'found'}", timeout=1800)
    assert done.returncode == 0, done.stderr
    done = program("compare", *flags, f"--genotypes={tmp_path / 'found'}", timeout=1800)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = json.loads((tmp_path / "work" / "compare.json").read_text())["ranking"]
    assert found["networks"] == 6 and [search["search"] for search in found["searches"]] == ["found"]
    assert "accuracy by the supernet of found" in done.stdout
