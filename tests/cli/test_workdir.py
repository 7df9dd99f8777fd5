"""A work directory belongs to one program and one configuration."""

import json
import os

import pytest

from bars_tf.cli import workdir
from bars_tf.cli.command_line import parse
from bars_tf.errors import InputError
from bars_tf.space.presets import BARS


def claimed(arguments):
    config = parse("search", arguments)
    directory = workdir.claim(config)
    workdir.keep(config)
    return directory


def test_work_directory(tmp_path):
    arguments = [f"--workdir={tmp_path}/new/run", "--seed=7"]
    directory = claimed(arguments)
    assert claimed([*arguments, "--data_dir=/elsewhere"]) == directory
    claimed([*arguments, "--seed=9"])  # nothing is computed yet
    claimed(arguments)
    (directory / "search").mkdir()
    with pytest.raises(InputError, match="belongs to another configuration: --seed=7 there, 8 here; choose another"):
        claimed([*arguments, "--seed=8"])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--workdir=.*file/run: Not a directory"):
        claimed([f"--workdir={tmp_path}/file/run"])


@pytest.mark.parametrize("name", ["%d$HOME", "-x", "sp ", " sp", "it's", '"q"', "a=b,c", "#x", "a #1", "k[1]*?",
                                  "a\\nb", "--seed=3", "\u202ealpha", "\U0001f600"])
def test_names_of_work_directories(name, tmp_path, monkeypatch, capsys):
    """Relative ones too, and a run resumes by its own flags where it is."""
    monkeypatch.chdir(tmp_path)
    directory = claimed([f"--workdir={name}"])
    assert directory.is_dir() and str(directory) == name
    assert workdir.settings_of(directory / "config.flags").run.workdir == str(tmp_path / name)
    assert not capsys.readouterr().err


def test_what_cannot_be_a_work_directory(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "loop", "dangling", "pipe"):
        with pytest.raises(InputError, match=f"{name}: exists, and is not a directory"):
            claimed([f"--workdir={tmp_path / name}"])


def test_a_work_directory_belongs_to_one_program(tmp_path):
    """Even under the same flags: what a tuner found must not appear as the result of a search."""
    given = {"search": (), "train": ("--network=resnet", "--budget_ops=1M"), "tune": ("--what=architecture",),
             "compare": ()}
    for mine, flags in given.items():
        (tmp_path / mine / "train").mkdir(parents=True)
        workdir.keep(parse(mine, [*flags, f"--workdir={tmp_path / mine}"]), mine)
        for other, others in given.items():
            config = parse(other, [*others, f"--workdir={tmp_path / mine}"])
            if other == mine:
                workdir.claim(config, other)
            else:
                with pytest.raises(InputError, match=f"holds a run of bin/{mine}; choose another directory"):
                    workdir.claim(config, other)
    assert len({parse(program, flags).run.workdir for program, flags in given.items()}) == len(given)


def test_a_run_goes_on_with_the_images_that_it_began_with(tmp_path):
    config = parse("search", [f"--workdir={tmp_path}"])
    workdir.keep(config, "search", "a")
    workdir.keep(config, "search", "b")  # nothing is computed yet
    (tmp_path / "search").mkdir()
    workdir.keep(config, "search", "b")
    with pytest.raises(InputError, match="--dataset=fashion_mnist_small: has other images than those that the run in"):
        workdir.keep(config, "search", "a")


def test_the_result_of_a_tuner_may_train_longer(tmp_path):
    flags = ["--what=architecture", "--tuner=random", "--max_trials=2", "--train_epochs"]
    workdir.write_flagfile(tmp_path / "config.flags", parse("tune", [*flags, "10"]), "tune")
    longer = parse("tune", [*flags, "20"])
    assert workdir.differences(tmp_path / "config.flags", longer, "tune") == ["--trial_epochs=2 there, 4 here"]
    (tmp_path / "trials.json").touch()  # none is left
    assert workdir.differences(tmp_path / "config.flags", longer, "tune") == []


def test_a_tuner_may_run_more_trials(tmp_path):
    flags = ["--what=architecture", "--max_trials=5", "--tune_minutes=2"]
    workdir.write_flagfile(tmp_path / "config.flags", parse("tune", flags), "tune")

    def differences(*more):
        return workdir.differences(tmp_path / "config.flags", parse("tune", [*flags, *more]), "tune")

    assert differences("--max_trials=6", "--tune_minutes=3") == differences("--tune_minutes=0") == []
    assert differences("--max_trials=4") == ["--max_trials=5 there, 4 here"]
    assert differences("--tune_minutes=1") == ["--tune_minutes=2 there, 1 here"]
    (tmp_path / "trials.json").touch()
    assert differences("--max_trials=6", "--train_epochs=400") == ["--trial_epochs=40 there, 80 here"]


def test_a_space_file_may_move_but_not_change(tmp_path):
    first, second = tmp_path / "first #1.json", tmp_path / "second.json"
    first.write_text(json.dumps(BARS.to_dict()))
    directory = claimed([f"--space={first}", f"--workdir={tmp_path}/run"])
    (directory / "search").mkdir()
    first.rename(second)
    again = [f"--space={second}", f"--workdir={tmp_path}/run"]
    assert claimed(again) == directory
    second.rename(first)
    assert workdir.settings_of(directory / "config.flags").search_space == BARS  # for reports, and for its supernet
    second.write_text(json.dumps(BARS.replace(init_channels=16).to_dict()))
    with pytest.raises(InputError, match="second.json: has changed since this run began with .*run/space.json says"):
        claimed([f"--space={second}", f"--workdir={tmp_path}/run"])
    # What a start left that was refused before it computed anything is no part of the run that came after it.
    other = [f"--workdir={tmp_path}/other"]
    claimed([f"--space={second}", *other])
    directory = claimed(other)
    (directory / "search").mkdir()
    assert claimed(other) == directory
