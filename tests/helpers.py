"""What tests share: paths, the smallest run, and a way to start a program."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


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
