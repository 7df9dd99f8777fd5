"""Fixtures, and the option of `bin/test --quick`."""

import fcntl
import os
import pickle
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, run_program

# Tests of code that needs TensorFlow, in directories whose other tests run without it by `bin/test --quick`.
NEED_TENSORFLOW = ["cli/test_compare.py", "cli/test_finish.py", "cli/test_refused_input.py", "cli/test_tune.py",
                   "cost/test_deployment.py", "root/test_legacy_keras.py"]
collect_ignore: list[str] = []
LONG_FILES = {"laws", "programs", "test_memory.py", "test_evolution.py", "test_plain_form.py", "test_benchmark.py"}


class _Forbid:
    """Makes every import of TensorFlow and of what is built on it an error."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in ("keras", "larq", "tensorflow", "tf_keras"):
            raise ImportError(f"{name} is imported by a test that must run without it")


def pytest_addoption(parser):
    parser.addoption("--without-tensorflow", action="store_true", help="forbid its import, and leave out tests with it")


def pytest_configure(config):
    # A shell starts what runs in its background, and nohup what it starts, with signals ignored: so would be programs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    if config.getoption("--without-tensorflow"):
        sys.meta_path.insert(0, _Forbid)
        collect_ignore.extend(NEED_TENSORFLOW)


def pytest_collection_modifyitems(items):
    """Puts the files first that take longest: one of them begun last would keep one of two processes waiting."""
    items.sort(key=lambda item: not LONG_FILES & {item.path.name, item.path.parent.name})


@pytest.fixture
def program():
    return run_program


@pytest.fixture
def program_here(monkeypatch, capfd, request):
    """Runs a program in this process: in a second where a fresh process would import TensorFlow, and prove no more."""
    from bars_tf import log_filter
    from bars_tf.cli import main, workdir
    from bars_tf.config import STOP_SIGNALS

    if not request.config.getoption("--without-tensorflow"):
        from bars_tf.legacy_keras import tf

        monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)  # later tests would have it
    locks = {}
    monkeypatch.setattr(workdir, "_held", locks)
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    monkeypatch.setattr(log_filter, "filter_stderr", lambda: None)
    monkeypatch.setenv("BARS_VERBOSITY", "0")
    monkeypatch.setenv("MPLBACKEND", "agg")

    def run(name, *arguments):
        capfd.readouterr()
        with warnings.catch_warnings():
            status = main.run(name, None, list(map(str, arguments)))
        return subprocess.CompletedProcess([name, *arguments], status, *capfd.readouterr())

    yield run
    for file in locks.values():
        file.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def shared(tmp_path_factory, name, make):
    """A new directory and what `make` returned for it, made once for all processes of pytest-xdist."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = root / f"{name}.pickle"
        if not result.exists():
            (root / name).mkdir(exist_ok=True)
            result.write_bytes(pickle.dumps(make(root / name)))
        return root / name, pickle.loads(result.read_bytes())


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A work directory of a finished run, and the finished process. Tests that run programs in it take a copy."""
    return shared(tmp_path_factory, "finished", lambda work: run_program("search", *TINY, f"--workdir={work}"))


@pytest.fixture
def copy_of_finished(finished, tmp_path):
    """A copy of that work directory."""
    return Path(shutil.copytree(finished[0], tmp_path / "work"))


@pytest.fixture(scope="session")
def untrained(tmp_path_factory):
    """A work directory as `bin/search` leaves it, of a small network that is not trained."""
    from sample_networks import write_run

    return shared(tmp_path_factory, "untrained", write_run)[0]


@pytest.fixture(scope="session")
def exported(untrained, tmp_path_factory):
    """The directory that `bin/export` writes of that network, and the finished process."""
    parent, done = shared(tmp_path_factory, "exported", lambda parent: run_program(
        "export", f"--workdir={untrained}", "--name=tiny_net", f"--output={parent / 'tiny'}"))
    return parent / "tiny", done


@pytest.fixture
def rng():
    return np.random.default_rng(0)
