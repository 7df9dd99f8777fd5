"""The command line: values, flag files and help."""

import pytest
from helpers import ROOT

from bars_tf.cli import workdir
from bars_tf.cli.command_line import find_flagfile, help_text, parse
from bars_tf.cli.flags import PROGRAMS
from bars_tf.errors import InputError


def test_missing_flag():
    with pytest.raises(InputError, match="--what: is needed"):
        parse("tune", [])
    with pytest.raises(InputError, match="--model, --network: exactly one of them is needed"):
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


def test_a_limit_of_a_flagfile_can_be_lifted():
    settings = parse("search", ["--flagfile=cifar_compare.flags", "--budget_bops=none", "--budget_size=60k"])
    assert settings.limits.limits() == {"flops": 200e3, "size_bytes": 60e3}


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


def test_flagfile_round_trip(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = parse("search", ["--budget_ops=600k", "--width_choices=0.5,1", "--noflip", "--weight_lr=3e-3", "--seed=7",
                              "--data_dir=/data sets/#1", "--primitives=skip,bin_conv_3x3"])
    workdir.write_flagfile(tmp_path / "config.flags", config)
    monkeypatch.chdir(tmp_path)  # from elsewhere, too
    assert parse("search", [f"--flagfile={tmp_path}/config.flags"]) == config.replace(
        workdir=str(ROOT / config.run.workdir))
    assert [path.name for path in tmp_path.iterdir()] == ["config.flags"]


def test_a_data_set_that_is_typed_takes_the_place_of_a_flagfiles_images(tmp_path):
    (tmp_path / "config.flags").write_text("--dataset=fashion_mnist\n--image_dir=/images\n")
    flagfile = f"--flagfile={tmp_path / 'config.flags'}"
    for flags, data in (((), ("image_dir", "/images")), (("--dataset=cifar10",), ("dataset", "cifar10")),
                        (("--dataset=cifar10", "--image_dir=/other"), ("image_dir", "/other"))):
        assert parse("search", [flagfile, *flags]).data.source == data


@pytest.mark.parametrize("program", PROGRAMS)
def test_examples_are_commands_of_the_program(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "NAME").mkdir(parents=True)
    (tmp_path / "runs" / "NAME" / "config.flags").write_text("--seed=1\n")
    for example in PROGRAMS[program].examples:
        name, *arguments = example.split()
        assert name == f"bin/{program}" and parse(program, arguments)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_fits_a_screen(program):
    lines = help_text(program).splitlines()
    assert max(map(len, lines)) <= 110
    first, second = PROGRAMS[program].examples
    assert lines[2:5] == ["Examples:", f"  {first}", f"  {second}"]
