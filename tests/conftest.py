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


@pytest.fixture(scope="session")
def untrained(tmp_path_factory):
    """A work directory as `bin/search` leaves it, of a small network that is not trained."""
    from sample_networks import write_run

    directory = tmp_path_factory.mktemp("untrained") / "work"
    write_run(directory)
    return directory


@pytest.fixture(scope="session")
def exported(untrained, tmp_path_factory):
    """The directory that `bin/export` writes of that network, and the finished process."""
    output = tmp_path_factory.mktemp("export") / "tiny"
    return output, run_program("export", f"--workdir={untrained}", "--name=tiny_net", f"--output={output}")


@pytest.fixture
def rng():
    return np.random.default_rng(0)
