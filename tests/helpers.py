"""What tests share: paths, the smallest run, and a way to start a program."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# There is none for every Python and every NumPy.
HAS_ENGINE = find_spec("larq_compute_engine") is not None and version("numpy").startswith("1.")
needs_engine = pytest.mark.skipif(not HAS_ENGINE, reason="no Larq Compute Engine, or NumPy 2 beside it")


# The whole way in half a minute: a tiny space, a few steps.
TINY = ("--flagfile=quickstart.flags", "--init_channels=4", "--stem_channels=4", "--num_nodes=2", "--layout=NR",
        "--width_choices=0.5,1", "--budget_ops=100k", "--max_steps=3", "--search_epochs=3", "--warmup_epochs=1",
        "--train_epochs=2", "--num_candidates=2", "--eval_batch_size=64", "--deterministic")


def run_program(name: str, *arguments, cwd=None, preexec_fn=None, timeout=600,
                **environment) -> subprocess.CompletedProcess:
    """Starts a program as a user does, in the environment of the tests."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run([ROOT / "bin" / name, *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, "PATH": path, **environment}, timeout=timeout, preexec_fn=preexec_fn)


def refused(done: subprocess.CompletedProcess, words) -> None:
    """Asserts that a program refused its input in one line that has the words."""
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if "note:" not in line]
    assert len(lines) == 1, done.stderr
    assert all(word in lines[0] for word in words), lines[0]


def read_only(directory) -> list[str]:
    """Returns the beginning of a command that runs another one for which the directory is read-only."""
    if os.geteuid():
        chmod = shutil.which("chmod")
        script = f'{chmod} a-w "$0"; "$@"; status=$?; {chmod} u+w "$0"; exit $status'
        return [shutil.which("sh"), "-c", script, str(directory)]
    # Root may write whatever the mode is.
    unshare, mount = shutil.which("unshare"), shutil.which("mount")
    mounts = f'{mount} --bind "$0" "$0" && {mount} -o remount,bind,ro "$0" && exec "$@"'
    command = [unshare, "--mount", shutil.which("sh"), "-c", mounts, str(directory)]
    if not unshare or subprocess.run([*command, shutil.which("true")], capture_output=True, check=False).returncode:
        pytest.skip("root without mounts of its own")
    return command
