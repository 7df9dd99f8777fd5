"""Flags as a user gives them: values, flagfiles, messages, exit statuses."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import bars_tf
from bars_tf.cli import main as programs
from bars_tf.cli import workdir
from bars_tf.cli.command_line import find_flagfile, help_text, parse
from bars_tf.cli.flags import ALL, PROGRAMS, parse_quantity
from bars_tf.cli.settings import DEFAULTS, Settings
from bars_tf.errors import InputError
from bars_tf.space.fields import SAMPLING
from bars_tf.space.presets import BARS

ROOT = Path(bars_tf.__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def settings_of_the_process(monkeypatch):
    """Restores what a program sets for its whole process."""
    monkeypatch.setenv("BARS_VERBOSITY", "0")
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    with warnings.catch_warnings():
        yield


def test_every_setting_has_a_flag_with_a_right_default():
    config = Settings.of()
    assert set(ALL) == set(DEFAULTS)
    assert set(ALL) == set().union(*(program.flags for program in PROGRAMS.values()))
    assert parse("search", []) == config
    for name, flag in ALL.items():
        value = config.values[name]
        if isinstance(value, (str, int, float)):
            assert flag.parse(str(value).lower() if isinstance(value, bool) else str(value)) == value, name
    for sampling in SAMPLING:
        assert parse("search", [f"--sampling={sampling}"]).search.sampling == sampling


def test_quantities():
    for text, value in (("250k", 250e3), ("12.5M", 12.5e6), ("1G", 1e9), ("4000000", 4e6), (".5k", 500)):
        assert parse_quantity(text) == value


WRONG = {
    "--batch_size=0": "--batch_size=0: must be a whole number of at least 1",
    "--batch_size": "--batch_size: needs a value",
    "--batchsize=3": "--batchsize: unknown flag; did you mean --batch_size?",
    "--model=a.h5": "--model: not a flag of search, but of evaluate",
    "quickstart": "quickstart: unexpected; flags are written --name=value",
    "--budget_ops=12Q": "--budget_ops=12Q: must be a number above 0, in full or with k, M or G",
    "--budget_ops=-1": "--budget_ops=-1: must be a number above 0",
    "--budget_ops=0": "--budget_ops=0: must be a number above 0",
    "--budget_params=12Q": "--budget_params=12Q: must be a number above 0, in full or with k, M or G",
    "--budget_params=0": "--budget_params=0: must be a number above 0",
    "--weight_lr=nan": "--weight_lr=nan: must be a number above 0",
    "--flip=perhaps": "--flip=perhaps: must be true or false",
    "--space=foo": "--space=foo: must be one of bars",
    "--sampling=foo": "--sampling=foo: must be one of softmax, gumbel, gumbel_hard",
    "--weight_optimizer=foo": "--weight_optimizer=foo: must be one of adam, sgd",
    "--primitives=none,foo": "--primitives=none,foo: 'foo' is unknown; known are none, skip",
    "--width_choices=": "--width_choices=: must be numbers",
    "--width_choices=-0.5,1": "--width_choices=-0.5,1: must lie above 0",
    "--width_choices=1,0.5": "--width_choices=1,0.5: must increase",
    "--depth_choices=": "--depth_choices=: must be whole numbers",
    "--depth_choices=-1,0": "--depth_choices=-1,0: must be integers of at least 0",
    "--depth_choices=2,1": "--depth_choices=2,1: must increase",
    "--image_size=7": "--image_size=7: must be 8 to 224",
    "--warmup_epochs=50": "--warmup_epochs=50: must be below --search_epochs=50",
    "--final_temperature=2": "--final_temperature=2: must be at most --temperature=1",
    "--flagfile=nowhere": "--flagfile=nowhere: no such file; by name there are",
}


@pytest.mark.parametrize("argument", WRONG)
def test_wrong_flags(argument, capsys):
    assert programs.run("search", None, [argument]) == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"search: {WRONG[argument]}")
    assert output.err.count("\n") == 1 and output.out == ""


def test_missing_flag():
    with pytest.raises(InputError, match="--model: is needed"):
        parse("evaluate", [])


def test_the_name_of_an_export_is_judged_with_the_flags(tmp_path):
    with pytest.raises(InputError, match="--name=class: is a word of Python"):
        parse("export", ["--workdir=w", "--name=class", f"--output={tmp_path}/out"])


def test_flagfile_lookup_and_override(tmp_path, monkeypatch):
    (tmp_path / "base.flags").write_text("# what\n\n--seed=1\n--batch_size=8\n--noflip\n")
    (tmp_path / "own.flags").write_text("--flagfile=base.flags\n  --seed=2\n--split=train\n")
    config = parse("search", ["--batch_size=4", f"--flagfile={tmp_path}/own.flags", "--search_epochs", "3"])
    assert (config.run.seed, config.data.flip) == (2, False)
    assert (config.search.batch_size, config.search.search_epochs) == (8, 3)
    # The file serves other programs too, and passes over what they do not take; the command line does not.
    assert parse("evaluate", [f"--flagfile={tmp_path}/own", "--model=m.h5"]).values["split"] == "train"
    monkeypatch.chdir(tmp_path)
    assert find_flagfile("own") == tmp_path / "own.flags"
    assert find_flagfile("quickstart") == ROOT / "configs" / "quickstart.flags"
    assert parse("search", ["--flagfile", "own", "--seed=5"]).run.seed == 5


def test_wrong_flagfiles(tmp_path):
    file = tmp_path / "bad.flags"
    for text, message in (("--seed=0\n--sed=1", r"bad.flags:2: --sed: unknown flag; did you mean --seed\?"),
                          ("--seed=x", "bad.flags:1: --seed=x: must be"), ("seed", "bad.flags:1: seed: unexpected"),
                          (f"--flagfile={file}", "bad.flags:1: .*includes itself")):
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            parse("search", [f"--flagfile={file}"])
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not a text file"):
        parse("search", [f"--flagfile={file}"])


def test_space_and_budget():
    config = parse("search", ["--init_channels=8", "--width_choices=0.5,1", "--depth_choices=0,2", "--budget_bops=2M"])
    assert config.search_space == BARS.replace(init_channels=8, width_choices=(0.5, 1.0), depth_choices=(0, 2))
    assert config.space_overrides == {"init_channels": 8, "width_choices": (0.5, 1.0), "depth_choices": (0, 2)}
    assert config.limits.limits() == {"bops": 2e6}
    assert parse("search", ["--budget_params=200k", "--budget_size=40k", "--budget_peak=80k"]).limits.limits() == {
        "params": 200e3, "size_bytes": 40e3, "peak_bytes": 80e3}
    # The named space and an override may disagree on a field that was not given.
    with pytest.raises(InputError, match="--width_choices=0.25,0.375,0.5,0.625,0.75,1: .*change init_channels"):
        parse("search", ["--init_channels=6"])


def test_flagfile_round_trip(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = parse("search", ["--budget_ops=600k", "--width_choices=0.5,1", "--noflip", "--weight_lr=3e-3", "--seed=7",
                              "--data_dir=/data sets/#1", "--primitives=skip,bin_conv_3x3"])
    workdir.write_flagfile(tmp_path / "config.flags", config)
    monkeypatch.chdir(tmp_path)  # from elsewhere, too
    assert parse("search", [f"--flagfile={tmp_path}/config.flags"]) == config.replace(
        workdir=str(ROOT / config.run.workdir))
    assert [path.name for path in tmp_path.iterdir()] == ["config.flags"]


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


def test_a_work_directory_belongs_to_one_program(tmp_path):
    """Even under the same flags: what a tuner found must not be told as a search's."""
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


def test_a_data_set_that_is_typed_takes_the_place_of_a_flagfiles_images(tmp_path):
    (tmp_path / "config.flags").write_text("--dataset=fashion_mnist\n--image_dir=/images\n")
    flagfile = f"--flagfile={tmp_path / 'config.flags'}"
    for flags, data in (((), ("image_dir", "/images")), (("--dataset=cifar10",), ("dataset", "cifar10")),
                        (("--dataset=cifar10", "--image_dir=/other"), ("image_dir", "/other"))):
        assert parse("search", [flagfile, *flags]).data.source == data


def test_the_home_directory_in_paths(tmp_path, monkeypatch):
    """Shells leave it as it is behind "=", and so do flagfiles."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse("search", ["--workdir=~/run", "--data_dir=~/data"]).run.workdir == f"{tmp_path}/run"
    (tmp_path / "own.json").write_text(json.dumps(BARS.to_dict()))
    config = parse("train", ["--space=~/own.json", "--genotype=~/found.json", "--data_dir=~/data"])
    assert (config.values["space"], config.values["genotype"]) == (f"{tmp_path}/own.json", f"{tmp_path}/found.json")
    assert config.data.data_dir == f"{tmp_path}/data"


def test_the_result_of_a_tuner_may_train_longer(tmp_path):
    flags = ["--what=architecture", "--tuner=random", "--max_trials=2", "--train_epochs"]
    workdir.write_flagfile(tmp_path / "config.flags", parse("tune", [*flags, "10"]), "tune")
    longer = parse("tune", [*flags, "20"])
    assert workdir.differences(tmp_path / "config.flags", longer, "tune") == ["--trial_epochs=2 there, 4 here"]
    (tmp_path / "trials.json").touch()  # none is left
    assert workdir.differences(tmp_path / "config.flags", longer, "tune") == []


def test_a_space_file_may_move_but_not_change(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(json.dumps(BARS.to_dict()))
    directory = claimed([f"--space={first}", f"--workdir={tmp_path}/run"])
    (directory / "search").mkdir()
    first.rename(second)
    again = [f"--space={second}", f"--workdir={tmp_path}/run"]
    assert claimed(again) == directory
    second.rename(first)
    assert workdir.settings_of(directory / "config.flags").search_space == BARS  # for reports, and for its supernet
    second.write_text(json.dumps(BARS.replace(init_channels=8).to_dict()))
    with pytest.raises(InputError, match="second.json: has changed since this run began with .*run/space.json says"):
        claimed([f"--space={second}", f"--workdir={tmp_path}/run"])
    # What a start left that was refused before it computed anything is no part of the run that came after it.
    other = [f"--workdir={tmp_path}/other"]
    claimed([f"--space={second}", *other])
    directory = claimed(other)
    (directory / "search").mkdir()
    assert claimed(other) == directory


@pytest.mark.parametrize("error, status, message", [
    (InputError("--seed=1: no"), 2, "--seed=1: no"),
    (KeyboardInterrupt(), 130, "interrupted; the same command resumes"),
    (OSError(28, "No space left on device", "f.h5"), 1, "No space left on device: f.h5"),
    (ValueError("two\nlines"), 1, "ValueError: two lines (--verbosity=1 shows the traceback)"),
])
def test_exit_status(error, status, message, capsys):
    def main(config):
        raise error

    assert programs.run("search", main, []) == status
    assert capsys.readouterr().err == f"search: {message}\n"
    assert programs.run("search", main, ["--verbosity=1"]) == status
    assert "Traceback" in capsys.readouterr().err


def test_help_is_quick_and_without_tensorflow():
    code = ("import sys; from bars_tf.cli import main as programs; sys.argv[1:] = ['--help']; programs.search(); "
            "sys.exit('tensorflow' in sys.modules)")
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert all(f"--{name} " in result.stdout for name in PROGRAMS["search"].flags)
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    seconds = []
    for _ in range(3):  # the best of three, in processor time: others may be using the machine
        before = os.times()
        subprocess.run([ROOT / "bin" / "search", "--help"], env=environ, check=True, capture_output=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert 0 < min(seconds) < 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_fits_a_screen(program):
    lines = help_text(program).splitlines()
    assert max(map(len, lines)) <= 110
    assert f"  {PROGRAMS[program].example}" in lines
