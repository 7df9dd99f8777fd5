"""Files of a run: finished, partial, damaged."""

import fcntl
import json

import pytest

from bars_tf.files import write_json
from bars_tf.report import run as runs
from bars_tf.report import run_files


def test_a_finished_run_that_is_trained_for_longer_is_not_finished(run):
    values = json.loads((run / "summary.json").read_text())
    for trained, state in ((2, runs.FINISHED), (1, runs.STOPPED)):
        write_json(run / "summary.json", {**values, "train_epochs": trained})
        assert runs.read(run).state == state


def test_a_running_run_differs_from_a_stopped_one(run):
    (run / "summary.json").unlink()
    assert runs.read(run).state == runs.STOPPED
    with (run / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert runs.read(run).state == runs.RUNNING


def test_settings_stand_in_for_what_only_a_finished_run_has(run):
    finished = runs.read(run)
    (run / "summary.json").unlink()
    (run / "genotype.json").unlink()
    found = runs.read(run)
    assert not found.problems and found.space == finished.genotype.space and found.costs == []
    for name in ("budget", "space_name", "dataset", "seed", "program"):
        assert getattr(found, name) == getattr(finished, name), name
    (run / "config.flags").write_text("--image_dir=/data/own photos\n--dataset=x\n--budget_ops=5000\n--precision=float")
    found = runs.read(run)
    assert (found.dataset, found.budget, found.is_float, found.program) == ("own photos", {}, True, "search")


@pytest.mark.parametrize("text, problem", [
    ("seed=1\n", "'seed=1' is no setting of the form --name=value"), ("--seed=x\n", "--seed=x: must be a whole number"),
    ("--train_epochs=1.5\n", "--train_epochs=1.5: must be"), ("--budget_ops=1M\n", "--budget_ops=1M: must be a number"),
    ("--budget_size=-1\n", "--budget_size=-1: must be a number above 0"), ("--seed=\n", "--seed=: must be")])
def test_a_wrong_setting_is_a_named_problem(run, text, problem):
    (run / "config.flags").write_text(text)
    found = runs.read(run)
    assert len(found.problems) == 1 and problem in found.problems[0]
    assert found.flags == {} and found.genotype and found.summary


def test_settings_as_editors_and_people_write_them(run):
    (run / "config.flags").write_text("\ufeff# Settings of a run. `bin/train --flagfile=x` resumes it.\r\n"
                                      "// mine\r\n-seed=7\r\n--deterministic\r\n --space=a=b\r\n", encoding="utf-8")
    found = runs.read(run)
    assert (found.program, found.problems) == ("train", ())
    assert found.flags == {"seed": "7", "deterministic": "", "space": "a=b"}


@pytest.mark.parametrize("program", ["search", "train", "tune", "compare"])
def test_the_program_of_a_run(tmp_path, program):
    assert run_files.program_of(tmp_path) == "search"
    (tmp_path / "config.flags").write_text(f"# Settings of a run. `bin/{program} --flagfile=x` resumes it.\n--seed=1")
    assert run_files.program_of(tmp_path) == program


def test_directories_that_hold_no_run(run, tmp_path):
    for directory, words in ((tmp_path / "none", "no such directory"), (tmp_path, "no run: .*summary.json")):
        with pytest.raises(ValueError, match=words):
            runs.read(directory)
    (run / "networks").mkdir()
    with pytest.raises(ValueError, match="a comparison; its runs are below"):
        runs.read(run)
