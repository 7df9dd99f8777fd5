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


@pytest.mark.parametrize("sizes", [(12,), pytest.param((12, 6), marks=pytest.mark.long)])
def test_two_devices_and_two_processes_are_one_device(sizes, tmp_path):
    """20 steps in float64, the last ten of them with alphas, clipped gradients and live batch-norm statistics.

    Second candidates are computed on 3 of 12 images, two of them on one device, and on 1 of 6, on one device alone.
    """
    ports = free_ports(2)
    batches = f"--batches={','.join(map(str, sizes))}"
    ended(start(1, "one_device", tmp_path / "one", batches),
          start(2, "mirrored", tmp_path / "two", batches), *(start(
              1, "multi_worker", tmp_path / f"worker{i}", "--batches=12", task=i, ports=ports) for i in range(2)))
    for run, size, replicas in (("two", 12, 2), ("two", 6, 2), ("worker0", 12, 2), ("worker1", 12, 2),
                                ("one/strategy", 6, 1)):
        if size not in sizes:
            continue
        one, other = (np.load(tmp_path / name / f"{size}.npz") for name in ("one", run))
        assert len(one["drawn"]) == 20 and len(np.unique(one["drawn"], axis=0)) > 5
        assert (one["replicas"], other["replicas"]) == (1, replicas)
        assert set(one.files) == set(other.files)
        # Of what several processes evaluate Keras gives the sum: a search evaluates on one device.
        names = set(one.files) - {"replicas", *(["tested"] if "worker" in run else [])}
        largest = max(np.abs(one[name].astype(float) - other[name]).max() for name in names)
        print(run, size, "differs by at most", largest)
        assert largest < 1e-9


def test_keras_on_two_devices(tmp_path):
    """What a strategy of the user's own may do is as on one device, or is refused in one line."""
    done = subprocess.run([sys.executable, ROOT / "tests" / "keras_on_two_devices.py", tmp_path], text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]


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


@pytest.mark.long
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_is_killed(victim, tmp_path):
    """The other one ends in one line within a minute; all started again, they resume."""
    ports, flags = free_ports(2), (*SHORT, "--max_steps=20")
    workers = [start(1, "multi_worker", tmp_path / "work", *flags, task=task, ports=ports) for task in range(2)]
    while "search  epoch 2" not in (line := workers[0].stderr.readline()):
        assert line
    workers[victim].kill()
    errors = workers[1 - victim].communicate(timeout=60)[1]
    assert workers[1 - victim].returncode == 1
    end = "search: another worker of TF_CONFIG has ended or cannot be reached; start all workers again"
    assert errors.splitlines()[-1].startswith(end), errors
    workers[victim].communicate()
    ports = free_ports(2)
    workers = [start(1, "multi_worker", tmp_path / "work", *flags, task=task, ports=ports) for task in range(2)]
    (_, errors), _ = [worker.communicate(timeout=500) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0] and (tmp_path / "work" / "model.h5").exists(), errors
    assert "search  epoch 2/2" in errors and "search  epoch 1/2" not in errors
