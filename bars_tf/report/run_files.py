"""The files of a run: their names, and readers that refuse contents which no run writes."""

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

from bars_tf.cost.budget import BUDGETS
from bars_tf.files import read_json

CONFIG, SPACE, DEVICE, DATA, LOCK = "config.flags", "space.json", "device.json", "data.json", "lock"
SUMMARY, GENOTYPE, MODEL = "summary.json", "genotype.json", "model.h5"
CANDIDATES, FAMILY = "candidates.json", "family.json"
NETWORKS, TRIALS, TUNED = "networks", "trials.json", "tuned.flags"
MAX_BYTES = 2**28


def program_of(directory: Path) -> str:
    """The program whose run a work directory is, by the command in the first line of its settings."""
    path = directory / CONFIG
    text = path.read_text(encoding="utf-8-sig", errors="replace") if path.exists() else ""
    command = re.match(r"# .*`bin/(\w+) --flagfile=", text)
    return command[1] if command else "search"


def unquoted(value: str) -> str:
    """The value of a line of a flagfile without the quotes around it, which a shell would take off."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def read_flags(path: Path) -> dict[str, str]:
    """Reads the settings of a run, lines `--name=value`, as texts by name.

    Raises: ValueError for a line of another form, and for a number that the report needs and that is none.
    """
    flags = {}
    for line in map(str.strip, path.read_text(encoding="utf-8-sig").splitlines()):
        name, _, value = line.partition("=")
        if name.startswith("-"):
            flags[name.lstrip("-")] = unquoted(value)
        elif line and not line.startswith(("#", "//")):
            raise ValueError(f"{line[:80]!r} is no setting of the form --name=value")
    for name in ("seed", "search_epochs", "train_epochs"):
        if not flags.get(name, "0").isdecimal():
            raise ValueError(f"--{name}={flags[name]}: must be a whole number")
    for name in BUDGETS:
        if (_parsed(flags.get(f"budget_{name}", "1")) or 0) <= 0:
            raise ValueError(f"--budget_{name}={flags[f'budget_{name}']}: must be a number above 0")
    return flags


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a `log.csv`, without entries that are no numbers. Raises: ValueError if it is no CSV file."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [{name: value for name, text in row.items()
                     if name and text and (value := _parsed(text)) is not None} for row in csv.DictReader(file)]
    except csv.Error as error:
        raise ValueError(f"not a CSV file: {error}") from None


def number(value: Any) -> float | None:
    """A finite number, else None."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if plain and math.isfinite(value) else None


def _parsed(text: str) -> float | None:
    try:
        return number(float(text))
    except (TypeError, ValueError):
        return None


def read_object(path: Path) -> dict[str, Any]:
    """Reads a JSON object."""
    values = read_json(path, MAX_BYTES)
    if not isinstance(values, dict):
        raise ValueError(f"{path}: not a JSON object")
    return values


def read_summary(path: Path) -> dict[str, Any]:
    """Reads `summary.json`."""
    values = read_object(path)
    for name in ("cost", "budget"):
        if not isinstance(values.setdefault(name, {}), dict) or None in map(number, values[name].values()):
            raise ValueError(f"{name} must be an object of numbers")
    if min(values["budget"].values(), default=1) <= 0:
        raise ValueError("limits must be above 0")
    for name in ("test_accuracy", "test_images", "search_accuracy", "search_seconds", "train_seconds"):
        if values.get(name) is not None and number(values[name]) is None:
            raise ValueError(f"{name} must be a number")
    return values


def read_candidates(path: Path, key: str) -> list[dict]:
    """Reads scored networks, which stand under a key of `candidates.json` or `family.json`."""
    candidates = read_object(path)[key]
    for candidate in candidates:
        for value in (candidate["accuracy"], *candidate["cost"].values()):
            if number(value) is None:
                raise ValueError(f"{value!r} is no number")
    return candidates


def read_lines(path: Path) -> list[dict]:
    """Reads a file of one JSON object a line."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_confusion(path: Path) -> dict[str, Any]:
    """Reads `confusion.json`."""
    values = read_object(path)
    counts, names = values["counts"], values["class_names"]
    if not (len(counts) == len(names) and all(len(row) == len(names) for row in counts)
            and all(isinstance(n, int) and n >= 0 for row in counts for n in row)):
        raise ValueError("counts must be a square of numbers, one row and column a class name")
    return {**values, "class_names": [str(name) for name in names]}
