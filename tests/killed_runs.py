"""Runs that are killed and started again, and everything in which two runs must agree."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
from helpers import ROOT

from bars_tf.legacy_keras import tf


def start(directory, *flags):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen([ROOT / "bin" / "search", *flags, f"--workdir={directory}"], text=True,
                            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path})


def kill_after(process, delay):
    """SIGKILL at `delay` seconds after the first line of progress; whether it came before the end."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "  epoch " in line:
            break
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.kill()
    process.stderr.read()
    assert process.wait() in (0, -signal.SIGKILL), lines
    return process.returncode != 0


def saved(directory):
    """The weights of a run's models."""
    weights = {}
    for name in ("model.h5", "train/best_model.h5"):
        with h5py.File(directory / name) as file:
            file.visititems(lambda key, item, name=name: weights.update({f"{name}:{key}": np.array(item)})
                            if isinstance(item, h5py.Dataset) else None)
    return weights


def state(directory):
    """Everything that a run ends in, but for times."""
    weights = saved(directory)
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(directory / "search" / "checkpoints")))
    for key in reader.get_variable_to_shape_map():
        if not key.startswith(("progress/", "save_counter/", "_CHECKPOINTABLE")) and "_metrics" not in key:
            weights[f"search:{key}"] = np.array(reader.get_tensor(key))
    return weights, (directory / "genotype.json").read_bytes()


def assert_equal(state, other):
    weights, genotype = state
    assert genotype == other[1]
    assert set(weights) == set(other[0])
    assert sum("alpha" in key or "arch_variables" in key for key in weights) >= 3
    different = [key for key, value in weights.items() if not np.array_equal(value, other[0][key])]
    assert not different


def killed_run(directory, kills, longest, flags):
    """A run killed so many times, then run to its end."""
    rng = random.Random(int(os.environ.get("BARS_SEED", 0)))
    delays = []
    while len(delays) < kills:
        delays.append(rng.uniform(0, longest))
        if not kill_after(start(directory, *flags), delays[-1]):
            break
    print("killed after", ", ".join(f"{d:.1f} s" for d in delays))
    last = start(directory, *flags)
    errors = last.stderr.read()
    assert last.wait() == 0, errors
    return len(delays)
