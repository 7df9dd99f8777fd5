"""Runs whose training is continued with more epochs."""

import json

from helpers import TINY

from bars_tf.cli import command_line, workdir
from bars_tf.report import run as runs
from bars_tf.training import evaluation


def test_a_run_that_stopped_after_its_search_may_train_longer(finished, copy_of_finished, program):
    """What is deleted is what such a run had not written yet."""
    copy = copy_of_finished
    for name in ("genotype.json", "candidates.json", "model.h5", "summary.json"):
        (copy / name).unlink()
    done = program("search", *TINY, f"--workdir={copy}", "--train_epochs=3", "--save_minutes=1")
    assert done.returncode == 0, done.stderr
    assert "search  epoch" not in done.stderr and "train  epoch 2/3" not in done.stderr
    assert "train  epoch 3/3" in done.stderr
    assert (copy / "genotype.json").read_bytes() == (finished[0] / "genotype.json").read_bytes()
    assert json.loads((copy / "summary.json").read_text())["train_epochs"] == 3
    again = command_line.parse("search", [*TINY, f"--workdir={copy}", "--train_epochs=2"])
    assert workdir.differences(copy / "config.flags", again) == ["--train_epochs=3 there, 2 here"]
    longer = command_line.parse("search", [*TINY, f"--workdir={copy}", "--train_epochs=4"])
    assert workdir.differences(copy / "config.flags", longer) == []
    (copy / "finals").mkdir()
    (copy / "genotype.json").unlink()  # in finals, some of whose networks have begun with the shorter training
    assert "--train_epochs=3 there, 4 here" in workdir.differences(copy / "config.flags", longer)


def test_a_longer_training_that_is_stopped_in_its_test(copy_of_finished, program_here, monkeypatch):
    """The model that is there is still the one whose accuracy is in `summary.json`."""
    copy = copy_of_finished
    before = [(copy / name).read_bytes() for name in ("model.h5", "summary.json")]

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "accuracy", stopped)
    assert program_here("search", *TINY, f"--workdir={copy}", "--train_epochs=3").returncode == 130
    assert [(copy / name).read_bytes() for name in ("model.h5", "summary.json")] == before
    assert runs.read(copy).state != runs.FINISHED
