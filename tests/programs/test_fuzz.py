"""Random flags and damaged genotype files: every one is taken, or refused in one line."""

import contextlib
import io
import json
import os
import random
import signal
import string
import warnings

from genotype_files import genotype_text
from helpers import refused

from bars_tf.cli import main, summary, workdir
from bars_tf.cli.flags import PROGRAMS
from bars_tf.cli.inputs import checked_budget
from bars_tf.cli.settings import Settings
from bars_tf.config import STOP_SIGNALS
from bars_tf.data.splits import load_splits
from bars_tf.errors import as_text

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
    """Contents of genotype files with changed values or bytes."""
    odd = (None, True, -1, 0, 0.5, 1e300, float("nan"), 10**30, "", "R" * 64, "skip", [], [[]], {}, [None] * 100,
           [[[0, "skip"]]] * 4, {"a": {}}, "\ud800")
    for _ in range(count):
        values = json.loads(genotype_text(made_for={"input_shape": [28, 28, 1], "num_classes": 10}))
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
    """Up to the first work on data, 200 times in this process, then 5 times as a user does it."""
    rng = random.Random(int(os.environ.get("BARS_SEED", 0)))
    monkeypatch.chdir(tmp_path)
    images = load_splits(Settings.of().data)
    path = tmp_path / "genotype.json"

    def prepare(config):
        workdir.claim(config)
        checked_budget(config, images)

    def run(name, function, arguments):
        output = io.StringIO()
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output), warnings.catch_warnings():
            status = main.run(name, function, arguments)
        assert status in (0, 2), (arguments, output.getvalue())
        assert "Traceback" not in output.getvalue()
        if status:
            assert [line for line in output.getvalue().splitlines() if "note:" not in line][1:] == [], arguments
        return status

    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    sets = list(flag_sets(rng, 100))
    statuses = [run("search", prepare, arguments) for arguments in sets]
    texts = list(genotypes(rng, 100))
    for text in texts:
        path.write_bytes(text)
        statuses.append(run("summary", summary.main, [f"--genotype={path}"]))
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert 5 < statuses.count(0) < 150, statuses.count(0)  # neither all refused nor all taken
    for arguments in [s for s, status in zip(sets, statuses) if status and "\x00" not in "".join(s)][:3]:
        done = program("search", *arguments)
        refused(done, ["search: "])
    for text in texts[:2]:
        path.write_bytes(text)
        done = program("summary", f"--genotype={path}")
        assert done.returncode in (0, 2) and "Traceback" not in done.stderr, done.stderr
