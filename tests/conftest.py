"""Fixtures."""

import numpy as np
import pytest
from helpers import TINY, run_program


@pytest.fixture
def program():
    return run_program


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A work directory of a finished run, and what the run printed."""
    directory = tmp_path_factory.mktemp("run") / "work"
    return directory, run_program("search", *TINY, f"--workdir={directory}")


@pytest.fixture
def rng():
    return np.random.default_rng(0)
