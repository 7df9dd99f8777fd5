"""`bin/device`, and a budget of time on the device that it writes."""

import datetime
import json
import os
import subprocess

import pytest
from helpers import ROOT
from small_spaces import DEVICE
from synthetic_profiles import write_profiles

from bars_tf.cli import device, summary
from bars_tf.cli.command_line import parse
from bars_tf.cost.device import load
from bars_tf.errors import InputError

# Writes for a file the profile that lies in ready/, as the engine's tool does; fails for the file $FAILS.
BENCHMARK = """#!/bin/sh
echo "$@" >> calls.log
for argument; do case $argument in
  --graph=*) name=$(basename "${argument#*=}" .tflite) ;;
  --op_profiling_output_file=*) file=${argument#*=} ;;
esac; done
[ "$name" = "$FAILS" ] && { echo "Failed to load model" >&2; exit 1; }
grep "Inference (avg)" "ready/$name.csv"
grep -v "Inference (avg)" "ready/$name.csv" > "$file"
"""
TINY = ("--flagfile=quickstart.flags", "--layout=N", "--num_nodes=1", "--width_choices=1", "--stem=conv_3x3",
        "--primitives=none,bin_conv_3x3")
GENOTYPE = ROOT / "configs" / "genotypes" / "quickstart_seed0.json"


def exact_us(operation):
    constants = dict(DEVICE.constants)[operation.kind]
    return constants.call_us + 1e-3 * constants.unit_ns * operation.work


def time_them(board, names):
    """Runs `run.sh` with a tool whose profiles are known: it stops at a failure, and continues where it stopped."""
    write_profiles(board, exact_us, xnnpack=True)
    (board / "about.txt").unlink()
    (board / "ready").mkdir()
    for path in board.glob("*.csv"):
        path.rename(board / "ready" / path.name)
    (board / "lce_benchmark_model").write_text(BENCHMARK)
    (board / "lce_benchmark_model").chmod(0o755)

    def run(**variables):
        return subprocess.run([board / "run.sh"], env={**os.environ, "THREADS": "2", **variables},
                              capture_output=True, text=True, cwd=board.parent)

    last = sorted(names)[-1]
    failed = run(FAILS=last, OPTIONS="--use_xnnpack=false --use_gpu=false")
    assert failed.returncode == 1 and f"failed: {last}, see {last}.txt" in failed.stderr
    assert "Failed to load model" in (board / f"{last}.txt").read_text()
    assert {path.stem for path in board.glob("*.csv")} == {*names} - {last}
    calls = (board / "calls.log").read_text().splitlines()
    assert len(calls) == len(names) and all("--num_threads=2" in call and "--use_gpu=false" in call for call in calls)
    done = run(ENGINE="0.16")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{last}\n", "")
    assert len((board / "calls.log").read_text().splitlines()) == len(names) + 1 and not list(board.glob("*.part"))


@pytest.mark.slow
def test_layers_are_written_timed_and_read(tmp_path, capsys):
    pytest.importorskip("larq_compute_engine")
    board = tmp_path / "board"
    device.main(parse("device", ["--layers", f"--output={board}", *TINY]))
    listed = json.loads((board / "layers.json").read_text())
    names = [*listed["files"], *listed["networks"]]
    assert sorted(path.stem for path in board.glob("*.tflite")) == sorted(names) and len(listed["networks"]) == 3
    assert (board / "run.sh").stat().st_mode & 0o111
    with pytest.raises(InputError, match="is not empty"):
        device.main(parse("device", ["--layers", f"--output={board}", *TINY]))
    time_them(board, names)
    capsys.readouterr()
    device.main(parse("device", [f"--read={board}", f"--output={tmp_path}/mine.json"]))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("network_")]
    assert len(rows) == 3 and all(abs(float(row[-1].rstrip("%"))) < 2 for row in rows)
    found = load(str(tmp_path / "mine.json"))
    assert (found.name, found.threads, found.engine) == ("mine", 2, "0.16") and found.measured
    assert found.date == datetime.date.today().isoformat() and " " in found.description


@pytest.mark.parametrize("arguments, message", [
    ([], "exactly one of them is needed"),
    (["--layers", "--read=x"], "exactly one of them is needed"),
    (["--read=nowhere"], "--read=nowhere: No such file"),
    (["--fit=rpi5"], "--fit=rpi5: must be one of rpi4b, pixel1")])
def test_wrong_flags_are_one_clear_line(arguments, message, tmp_path):
    with pytest.raises(InputError, match=message):
        device.main(parse("device", [f"--output={tmp_path}/x.json", *arguments]))


def test_an_output_is_a_json_file():
    with pytest.raises(InputError, match="--output=board: must be a file NAME.json"):
        device.main(parse("device", ["--read=x", "--output=board"]))


def test_profiles_that_are_missing_are_said(tmp_path):
    (tmp_path / "layers.json").write_text(json.dumps({"format": "bars_tf.layers/1", "files": {"layer_0": []},
                                                      "networks": {}}))
    with pytest.raises(InputError, match="has no profile of a single operation"):
        device.main(parse("device", [f"--read={tmp_path}", f"--output={tmp_path}/x.json"]))


def test_summary_says_estimated_times_layer_by_layer(capsys):
    summary.main(parse("summary", [f"--genotype={GENOTYPE}", "--device=rpi4b", "--json"]))
    found = json.loads(capsys.readouterr().out)
    assert found["device"] == "rpi4b"
    assert sum(part["latency_us"] for part in found["parts"]) == found["cost"]["latency_us"] > 0
    summary.main(parse("summary", [f"--genotype={GENOTYPE}", "--device=rpi4b"]))
    assert "times on rpi4b are estimated" in (text := capsys.readouterr().out) and "µs, estimated" in text
    summary.main(parse("summary", [f"--genotype={GENOTYPE}", "--json"]))
    assert "latency_us" not in json.loads(capsys.readouterr().out)["cost"]


@pytest.mark.parametrize("arguments, message", [
    (["--budget_latency=12ms"], "--budget_latency=12000: needs the --device whose time it is: pixel1, rpi4b"),
    (["--budgets=latency:8ms,12ms"], "--budgets=latency:8000,12000: needs the --device"),
    (["--budget_latency=12 minutes", "--device=rpi4b"], "must be a time above 0 such as 12ms"),
    (["--budget_latency=12ms", "--device=rpi5"], "--device=rpi5: must be one of pixel1, rpi4b, or a file"),
    (["--budget_latency=12ms", "--device=nowhere.json"], "--device=.*nowhere.json: No such file")])
def test_wrong_budgets_of_time_are_one_clear_line(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        parse("search", arguments)
    assert "\n" not in str(error.value)
