"""Flag files as people and editors write them, and runs that have moved."""

import os
import subprocess
import sys

import pytest
from helpers import ROOT

from bars_tf.cli import workdir
from bars_tf.cli.command_line import parse
from bars_tf.errors import InputError


@pytest.mark.parametrize("content, values", [
    ("\ufeff--seed=3\n", {"seed": 3}),
    ('--data_dir="/data sets/a"\n', {"data_dir": "/data sets/a"}),
    ("--data_dir='/data'\n--workdir=\"r'un\"\n", {"data_dir": "/data", "workdir": "r'un"}),
    ("--data_dir=/a\"b\"\n", {"data_dir": '/a"b"'}),
    ("--data_dir=/\u5199\u771f\u3000\u00a02024\n", {"data_dir": "/\u5199\u771f\u3000\u00a02024"}),
    ("\r\n--seed=4\r\n\r\n", {"seed": 4}),
    ("--data_dir=/a#b\n--workdir=\"c #1\"\n", {"data_dir": "/a#b", "workdir": "c #1"}),
    ("--data_dir=~nobody_of_that_name/a\n", {"data_dir": "~nobody_of_that_name/a"}),
])
def test_flagfiles_as_they_are_written(content, values, tmp_path):
    path = tmp_path / "some.flags"
    path.write_bytes(content.encode())
    found = parse("search", [f"--flagfile={path}"]).values
    assert {name: found[name] for name in values} == values


@pytest.mark.parametrize("content, words", [
    (b"--seed 3\n", "--seed 3: flags are written --name=value"), (b"--seed = 3\n", "without spaces around ="),
    ("--seed=3\n".encode("utf-16"), "not a text file in UTF-8"), (b"--workdir=\xe4\n", "not a text file in UTF-8"),
    ("--workdir=a\u2028b\n".encode(), "control characters"), ("\u2013seed=3\n".encode(), "unexpected"),
    (b"--seed=3 # of the order\n", "a comment is a line of its own"),
    (b"--workdir=/a\t# of mine\n", "some.flags:1: --workdir=/a\t# of mine: a comment is a line of its own"),
    (b"seed=3\n", "flags are written --name=value")])
def test_wrong_flagfiles(content, words, tmp_path):
    (tmp_path / "some.flags").write_bytes(content)
    with pytest.raises(InputError) as error:
        parse("search", [f"--flagfile={tmp_path / 'some.flags'}"])
    assert words in str(error.value)


@pytest.mark.parametrize("name", ["/dev/null", "/"])
def test_what_is_no_file(name):
    with pytest.raises(InputError, match="is a directory or a device"):
        parse("search", [f"--flagfile={name}"])
    with pytest.raises(InputError, match="no such file; by name there are"):
        parse("search", ["--flagfile=~nobody_of_that_name/a"])


@pytest.mark.parametrize("value", ["", "   ", "a\nb", "a\x00b", "a\u2028b", os.fsdecode(b"a\xff")])
def test_what_is_no_path(value):
    with pytest.raises(InputError, match="(?s)--workdir=.*: must (not|be text in UTF-8)"):
        parse("search", [f"--workdir={value}"])


@pytest.mark.parametrize("program, flag", [
    ("search", "workdir"), ("search", "image_dir"), ("search", "space"), ("train", "genotype"), ("search", "teacher"),
    ("evaluate", "model"), ("runs", "directory")])
def test_addresses_are_no_paths(program, flag):
    with pytest.raises(InputError, match=f"--{flag}=gs://a/b: must be a path of this machine, not an address"):
        parse(program, [f"--{flag}=gs://a/b"])
    assert parse("search", ["--data_dir=gs://a/b"]).data.data_dir == "gs://a/b"  # TensorFlow Datasets reads there


def test_a_run_that_has_moved_resumes_where_it_is(tmp_path, capsys):
    old, new = tmp_path / "old", tmp_path / "new"
    workdir.claim(parse("search", [f"--workdir={old}"]))
    workdir.keep(parse("search", [f"--workdir={old}"]))
    assert parse("search", [f"--flagfile={old}/config.flags"]).run.workdir == str(old)
    old.rename(new)
    assert parse("search", [f"--flagfile={new}/config.flags"]).run.workdir == str(new)
    assert f"--workdir={new} in place of {old}" in capsys.readouterr().err
    assert parse("search", [f"--flagfile={new}/config.flags", f"--workdir={old}"]).run.workdir == str(old)


def test_programs_of_the_package_by_name():
    def started(*arguments):
        return subprocess.run([sys.executable, "-m", "bars_tf", *arguments], cwd=ROOT, capture_output=True, text=True,
                              check=False)

    assert "--genotype" in started("summary", "--help").stdout
    wrong = started("serach")
    assert wrong.returncode == 2 and "usage: python -m bars_tf {search," in wrong.stderr
