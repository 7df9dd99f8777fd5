"""n replicas with a batch of B / n compute what one device computes with a batch of B."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT, TINY, run_program

from bars_tf.network.model_files import load_model
from bars_tf.space.genotype import Genotype


def start(devices, strategy, directory, *flags, task=None, ports=()):
    config = {"cluster": {"worker": [f"localhost:{port}" for port in ports]}, "task": {"type": "worker", "index": task}}
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
                   **({} if task is None else {"TF_CONFIG": json.dumps(config)})}
    command = [sys.executable, ROOT / "tests" / "distributed.py", str(devices), strategy, directory, *flags]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def ended(*processes):
    for process in processes:
        errors = process.communicate(timeout=500)[1]
        assert process.returncode == 0, errors[-3000:]


def test_two_devices_and_two_processes_are_one_device(tmp_path):
    """20 steps in float64, the last ten of them with alphas, clipped gradients and live batch-norm statistics."""
    ports = free_ports(2)
    ended(start(1, "one_device", tmp_path / "one"), start(2, "mirrored", tmp_path / "two"),
          *(start(1, "multi_worker", tmp_path / f"worker{task}", task=task, ports=ports) for task in range(2)))
    one = np.load(tmp_path / "one" / "result.npz")
    assert len(one["drawn"]) == 20 and len(np.unique(one["drawn"], axis=0)) > 5
    for run in ("two", "worker0", "worker1"):
        other = np.load(tmp_path / run / "result.npz")
        assert (one["replicas"], other["replicas"]) == (1, 2)
        assert set(one.files) == set(other.files)
        # Of what several processes evaluate Keras gives the sum: a search evaluates on one device.
        names = set(one.files) - {"replicas", *(["tested"] if run != "two" else [])}
        largest = max(np.abs(one[name].astype(float) - other[name]).max() for name in names)
        print(run, "differs by at most", largest)
        assert largest < 1e-9


def whole_way(directory):
    model = load_model(str(directory / "model.h5"))
    genotype = Genotype.load(directory / "genotype.json")
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["cost"]["ops"] <= 100e3 and genotype.space.init_channels == 4
    assert model.count_params() and summary["test_images"] == 192
    assert not list(directory.rglob("*tmp*"))
    # A network that has hardly been trained decides by rounding.
    done = run_program("export", f"--workdir={directory}", "--name=some_net", f"--output={directory.parent / 'out'}",
                       "--allow_float_fallback")
    assert done.returncode == 0 and (directory.parent / "out" / "some_net.tflite").exists(), done.stderr


SHORT = (*TINY, "--search_epochs=2", "--train_epochs=1")


@pytest.mark.long
def test_a_search_on_two_devices(tmp_path):
    ended(start(2, "mirrored", tmp_path / "work", *SHORT))
    whole_way(tmp_path / "work")


@pytest.mark.long
def test_a_search_in_two_processes(tmp_path):
    ports = free_ports(2)
    ended(*(start(1, "multi_worker", tmp_path / "work", *SHORT, task=task, ports=ports) for task in range(2)))
    whole_way(tmp_path / "work")
