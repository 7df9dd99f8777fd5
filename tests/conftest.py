import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


def run_program(name: str, *arguments, cwd=None, **environment) -> subprocess.CompletedProcess:
    """Starts a program as a user does, in the environment of the tests."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run([ROOT / "bin" / name, *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, "PATH": path, **environment}, timeout=600)


@pytest.fixture
def program():
    return run_program


@pytest.fixture
def rng():
    return np.random.default_rng(0)
