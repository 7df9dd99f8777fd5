"""A machine that fails: one line, the right exit status, earlier results intact."""

import ctypes
import resource
import shutil
from pathlib import Path

import pytest
from helpers import TINY, refused

from bars_tf.legacy_keras import tf


@pytest.fixture
def copied(copy_of_finished):
    """The work directory of a run that was stopped after its search, before its training."""
    copy = copy_of_finished
    for name in ("model.h5", "summary.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / "train")
    return copy


def test_a_corrupt_checkpoint_then_a_full_disk(finished, copied, program):
    """By a limit on the size of files, which fails like a disk without space: checkpoints fit, models do not."""
    (copied / "genotype.json").unlink()
    newest = Path(tf.train.latest_checkpoint(str(copied / "search" / "checkpoints")))
    file = newest.with_name(f"{newest.name}.data-00000-of-00001")
    limit = file.stat().st_size + 1000
    file.write_bytes(bytes(file.stat().st_size))
    done = program("search", *TINY, f"--workdir={copied}",
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 1, done.stderr
    assert f"checkpoint {newest} is damaged" in done.stderr
    assert "using the one before" in done.stderr and "search  epoch 3/3" in done.stderr
    assert done.stderr.splitlines()[-1] == f"search: File too large: {copied / 'train' / 'best_model.h5'}"
    assert "Traceback" not in done.stderr
    assert (copied / "genotype.json").read_bytes() == (finished[0] / "genotype.json").read_bytes()


def test_a_read_only_directory(program, tmp_path):
    directory = tmp_path / "closed"
    directory.mkdir(mode=0o555)
    # Root may write anywhere, unless it gives that up: PR_CAPBSET_DROP of CAP_DAC_OVERRIDE.
    done = program("search", *TINY, f"--workdir={directory / 'work'}",
                   preexec_fn=lambda: ctypes.CDLL(None).prctl(24, 1, 0, 0, 0))
    refused(done, ["--workdir", "Permission denied"])
