"""Bad input of every kind, and a machine that fails: one line, the right status, earlier results intact."""

import contextlib
import ctypes
import io
import json
import os
import random
import resource
import shutil
import signal
import string
import warnings
from pathlib import Path

import h5py
import pytest
from helpers import TINY, refused
from test_data import images, write
from test_programs import changed

from bars_tf.cli import command_line, summary, workdir
from bars_tf.cli import main as programs
from bars_tf.cli import search as cli_search
from bars_tf.cli import train as cli_train
from bars_tf.cli.flags import PROGRAMS
from bars_tf.cli.inputs import checked_budget
from bars_tf.cli.settings import Settings
from bars_tf.data import pipeline as data
from bars_tf.data import records, splits
from bars_tf.errors import InputError, as_text
from bars_tf.legacy_keras import tf
from bars_tf.network.model_files import load_model
from bars_tf.report import run as runs
from bars_tf.training import outcome


@pytest.fixture
def copied(finished, tmp_path):
    """The work directory of a run that was stopped after its search, before its training."""
    copy = tmp_path / "work"
    shutil.copytree(finished[0], copy)
    for name in ("model.h5", "summary.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / "train")
    return copy


def contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*")
            if path.is_file() and path.name not in ("config.flags", "lock")}


# The machine


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


def test_a_checkpoint_that_cannot_be_saved_names_the_reason(tmp_path):
    from test_resume import checkpoints

    saved, _ = checkpoints(tmp_path / "checkpoints")
    saved.on_epoch_end(0)
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="the state can't be saved, what was saved before stays: .*File too large"):
            saved.on_epoch_end(1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == before
    assert checkpoints(tmp_path / "checkpoints")[0].restore() == (1, 0)


def test_a_read_only_directory(program, tmp_path):
    directory = tmp_path / "closed"
    directory.mkdir(mode=0o555)
    # Root may write anywhere, unless it gives that up: PR_CAPBSET_DROP of CAP_DAC_OVERRIDE.
    done = program("search", *TINY, f"--workdir={directory / 'work'}",
                   preexec_fn=lambda: ctypes.CDLL(None).prctl(24, 1, 0, 0, 0))
    refused(done, ["--workdir", "Permission denied"])


# Data


@pytest.mark.parametrize("damage", ["record", "label"])
def test_bad_data(program, tmp_path, damage):
    """In the training images, and in the test images, which a run needs last."""
    labels = {"train": [0, 1, 2, 0, 7, 1], "test": [0] * 6} if damage == "label" else None
    directory = write(tmp_path, images(6, 8, 8, 1), labels)
    (file,) = directory.glob("tiny-train*" if damage == "label" else "tiny-test*")
    if damage == "record":
        file.write_bytes(file.read_bytes()[:-20])
    done = program("search", *TINY, "--dataset=tiny", f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'work'}")
    refused(done, ["--dataset=tiny", f"record {4 if damage == 'label' else 5} of", file.name,
                   {"record": "is damaged", "label": "label 7, where 0 to 2 are allowed"}[damage]])


def test_damage_that_is_found_while_images_stream(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MEMORY_LIMIT", 0)
    directory = write(tmp_path, images(60, 8, 8, 1))
    train, _ = data.load("tiny", tmp_path)
    (file,) = directory.glob("tiny-train*")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"--dataset=tiny: .*record 59 of .*tiny-train.* is damaged"), \
            splits.reading(train):
        list(data.batches(train, 8))


@pytest.mark.parametrize("flag, words", [
    ("--validation_split=0.00001", "--validation_split=1e-05: .*too few"),
    ("--crop_padding=29", "--crop_padding=29: must be at most 28"),
    ("--dataset=cifar_10", "--dataset=cifar_10: .*did you mean cifar10"),
])
def test_flags_that_the_data_set_does_not_allow(flag, words):
    with pytest.raises(InputError, match=words):
        splits.load_splits(command_line.parse("search", [flag]).data)


def test_validation_images_by_a_seed_of_their_own():
    found = [splits.load_splits(command_line.parse("search", ["--flagfile=quickstart.flags", *flags]).data)[1].indices
              for flags in ((), ("--seed=1", "--split_seed=0"), ("--seed=1",))]
    assert list(found[0]) == list(found[1]) != list(found[2])


# Work directories


def test_a_run_may_train_longer_and_nothing_else(finished, program, tmp_path):
    copy = tmp_path / "work"
    shutil.copytree(finished[0], copy)
    done = program("search", *TINY, f"--workdir={copy}", "--train_epochs=3", "--save_minutes=1")
    assert done.returncode == 0, done.stderr
    assert "search  epoch" not in done.stderr and "train  epoch 2/3" not in done.stderr
    assert "train  epoch 3/3" in done.stderr
    assert json.loads((copy / "summary.json").read_text())["train_epochs"] == 3
    again = command_line.parse("search", [*TINY, f"--workdir={copy}", "--train_epochs=2"])
    assert workdir.differences(copy / "config.flags", again) == ["--train_epochs=3 there, 2 here"]
    longer = command_line.parse("search", [*TINY, f"--workdir={copy}", "--train_epochs=4"])
    assert workdir.differences(copy / "config.flags", longer) == []
    (copy / "finals").mkdir()
    (copy / "genotype.json").unlink()  # in finals, some of whose networks have begun with the shorter training
    assert "--train_epochs=3 there, 4 here" in workdir.differences(copy / "config.flags", longer)


def test_a_longer_training_that_is_stopped_in_its_test(finished, tmp_path, monkeypatch):
    """The model that is there is still the one whose accuracy `summary.json` tells."""
    copy = tmp_path / "work"
    shutil.copytree(finished[0], copy)
    before = [(copy / name).read_bytes() for name in ("model.h5", "summary.json")]

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(outcome, "accuracy", stopped)
    with pytest.raises(KeyboardInterrupt):
        cli_search.main(command_line.parse("search", [*TINY, f"--workdir={copy}", "--train_epochs=3"]))
    assert [(copy / name).read_bytes() for name in ("model.h5", "summary.json")] == before
    assert runs.read(copy).state != runs.FINISHED


def test_a_work_directory_trains_one_genotype(finished, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(changed())
    shutil.copy(finished[0] / "genotype.json", tmp_path)
    with pytest.raises(InputError, match="--workdir=.*trains another genotype than --genotype="):
        cli_train.main(command_line.parse("train", [f"--genotype={other}", f"--workdir={tmp_path}"]))
    with pytest.raises(InputError, match="--train_batch_size=100000: "):
        cli_train.main(command_line.parse("train", [
            "--flagfile=quickstart.flags", f"--genotype={tmp_path / 'genotype.json'}", f"--workdir={tmp_path / 'new'}",
            "--train_batch_size=100000"]))
    # What was refused is not what the directory is for.
    assert not (tmp_path / "config.flags").exists() and not list((tmp_path / "new").glob("*.json"))


# Files that could come from somebody else


@pytest.mark.parametrize("poison", [
    {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
    {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"},
    {"class_name": "Zeros", "module": "os", "config": {}, "registered_name": None},
    {"class_name": ["function"], "config": {}},
])
def test_a_model_file_names_no_code(tmp_path, poison):
    path = tmp_path / "model.h5"
    model = tf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(2)])
    model.save(path)
    assert load_model(str(path)).count_params() == 6
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"]["kernel_initializer"] = poison
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(InputError, match=r"--model=.*(class __lambda__|class function|class \['function'\]|module os)"):
        load_model(str(path))


TEXTS = ("", "-1", "0", "1", "2", "3.5", "1e-9", "nan", "inf", "-inf", "1e400", "9" * 30, "0x10", "é", "\x00", "true",
         "no", ",", "0.5,1", "1,0.5", "0,1,2,3", "N", "NRNR", "R" * 64, "N" * 65, "../x", "/dev/null/x", "none",
         "skip,skip", "bin_conv_3x3", "none,skip,bin_conv_5x5", "12.5M", "1G", "k", "bars", "adam", "a b", "'", "%s",
         "{}", "[1]", "\N{FULLWIDTH DIGIT ONE}", "stage", "all", "cifar_2", "4096", "224", "1" * 5000)


def flag_sets(rng, count):
    names = [n for n in PROGRAMS["search"].flags if n not in ("dataset", "data_dir")]
    for _ in range(count):
        arguments = []
        for _ in range(rng.randint(1, 3)):
            name = rng.choice(names)
            value = Settings.of().values[name]
            text = rng.choice(TEXTS) if value is None or rng.random() < 0.6 else as_text(value)
            if rng.random() < 0.1:
                name = "".join(rng.choice(name + string.printable) for _ in name)
            arguments += rng.choice(([f"--{name}={text}"],) * 6 + ([f"--{name}", text], [f"-{name}={text}"], [text],
                                                                  [f"--{name}"]))
        yield arguments


def genotypes(rng, count):
    """Texts of genotype files: values changed, left out or put elsewhere, and bytes changed."""
    odd = (None, True, -1, 0, 0.5, 1e300, float("nan"), 10**30, "", "R" * 64, "skip", [], [[]], {}, [None] * 100,
           [[[0, "skip"]]] * 4, {"a": {}}, "\ud800")
    for _ in range(count):
        values = json.loads(changed(made_for={"input_shape": [28, 28, 1], "num_classes": 10}))
        if rng.random() < 0.9:
            inside = values
            while True:
                key = rng.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
                if isinstance(inside[key], (dict, list)) and inside[key] and rng.random() < 0.7:
                    inside = inside[key]
                    continue
                inside[key] = rng.choice(odd)
                break
            yield json.dumps(values).encode("utf-8")
        else:
            text = bytearray(json.dumps(values).encode())
            for _ in range(rng.randint(1, 5)):
                text[rng.randrange(len(text))] = rng.randrange(256)
            yield bytes(text[: rng.choice((len(text), rng.randrange(len(text))))])


def test_fuzz(program, tmp_path, monkeypatch):
    """Up to the first work on data, 200 times in this process, then 10 times as a user does it."""
    rng = random.Random(int(os.environ.get("BARS_SEED", 0)))
    monkeypatch.chdir(tmp_path)
    images = splits.load_splits(Settings.of().data)
    path = tmp_path / "genotype.json"

    def prepare(config):
        workdir.claim(config)
        checked_budget(config, images)

    def run(name, main, arguments):
        output = io.StringIO()
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output), warnings.catch_warnings():
            status = programs.run(name, main, arguments)
        assert status in (0, 2), (arguments, output.getvalue())
        assert "Traceback" not in output.getvalue()
        if status:
            assert [line for line in output.getvalue().splitlines() if "note:" not in line][1:] == [], arguments
        return status

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    sets = list(flag_sets(rng, 100))
    statuses = [run("search", prepare, arguments) for arguments in sets]
    texts = list(genotypes(rng, 100))
    for text in texts:
        path.write_bytes(text)
        statuses.append(run("summary", summary.main, [f"--genotype={path}"]))
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert 5 < statuses.count(0) < 150, statuses.count(0)  # neither all refused nor all taken
    for arguments in [s for s, status in zip(sets, statuses) if status and "\x00" not in "".join(s)][:5]:
        done = program("search", *arguments)
        refused(done, ["search: "])
    for text in texts[:5]:
        path.write_bytes(text)
        done = program("summary", f"--genotype={path}")
        assert done.returncode in (0, 2) and "Traceback" not in done.stderr, done.stderr
