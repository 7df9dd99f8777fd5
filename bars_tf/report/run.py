"""What a work directory holds, as far as it can be read: a run may be going on, stopped, old, or somebody else's."""

from __future__ import annotations

import csv
import dataclasses
import fcntl
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bars_tf.cli import workdir
from bars_tf.cli.summary import made_for
from bars_tf.config import SearchConfig
from bars_tf.cost.tables import Cost
from bars_tf.files import read_json
from bars_tf.space.genotype import Genotype

FINISHED, RUNNING, STOPPED = "finished", "running", "stopped"
MAX_BYTES = 2**28


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as its files tell it. What is not there yet is empty or None; `problems` names what could not be read.

    Attributes:
        program: which made it: "search", "train" or "tune".
        config: its settings.
        shape, num_classes: of the images, where the genotype file tells them.
        candidates: as `candidates.json` lists them, the best first.
        family: the members that `family.json` lists, in the same form.
        search_log, train_log: rows of `log.csv` as numbers, without those that are none.
        trajectory: lines of `trajectory.jsonl`, an epoch each.
        confusion: `confusion.json`.
    """

    directory: Path
    state: str
    program: str = "search"
    config: SearchConfig | None = None
    summary: dict[str, Any] = dataclasses.field(default_factory=dict)
    genotype: Genotype | None = None
    shape: tuple[int, int, int] | None = None
    num_classes: int | None = None
    candidates: list[dict] = dataclasses.field(default_factory=list)
    family: list[dict] = dataclasses.field(default_factory=list)
    search_log: list[dict[str, float]] = dataclasses.field(default_factory=list)
    trajectory: list[dict] = dataclasses.field(default_factory=list)
    train_log: list[dict[str, float]] = dataclasses.field(default_factory=list)
    confusion: dict[str, Any] | None = None
    problems: tuple[str, ...] = ()

    @property
    def budget(self) -> dict[str, float]:
        """The limits: by measure. They are of binary networks."""
        if self.is_float:
            return {}
        return self.summary.get("budget") or (self.config.budget.limits() if self.config else {})

    @property
    def is_float(self) -> bool:
        """Whether its network is a float twin."""
        return (self.summary.get("precision") or (self.config.precision if self.config else "")) == "float"

    def counted(self, cost: Cost) -> Cost:
        """A cost of its binary network as that of the network which it is."""
        return cost.as_float() if self.is_float else cost


def is_run(directory: Path) -> bool:
    """Whether a directory is the work directory of one network; that of a comparison has one for each of its own."""
    marked = any((directory / name).is_file() for name in (workdir.CONFIG, "summary.json"))
    return marked and not (directory / workdir.NETWORKS).is_dir()


def read(directory: Path) -> Run:
    """Reads all that there is.

    Raises: ValueError if the directory is no work directory; OSError if it cannot be listed.
    """
    if not directory.is_dir():
        raise ValueError("no such directory")
    if (directory / workdir.NETWORKS).is_dir():
        raise ValueError(f"a comparison; its runs are below {directory / workdir.NETWORKS}")
    if not is_run(directory):
        raise ValueError(f"no run: it has neither {workdir.CONFIG} nor summary.json")
    found: dict[str, Any] = {}
    problems, program = [], workdir.program_of(directory)

    def take(name: str, reader: Callable[[Path], dict[str, Any]]) -> None:
        path = directory / name
        if path.exists():
            try:
                found.update(reader(path))
            # Whatever a file of another version or another hand leads to: the rest is still shown.
            except (ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError) as error:
                problems.append(f"{name}: {str(error).removeprefix(f'{path}: ') or type(error).__name__}")

    take(workdir.CONFIG, lambda path: {"config": workdir.settings_of(path.resolve(), program)})
    take("summary.json", lambda path: {"summary": _summary(path)})
    take("genotype.json", _genotype)
    take("candidates.json", lambda path: {"candidates": _candidates(path)})
    take("family.json", lambda path: {"family": _candidates(path, "members")})
    take("search/log.csv", lambda path: {"search_log": read_log(path)})
    take("search/trajectory.jsonl", lambda path: {"trajectory": _lines(path)})
    take("train/log.csv", lambda path: {"train_log": read_log(path)})
    take("confusion.json", lambda path: {"confusion": _confusion(path)})
    # A finished run may train on: then its summary is that of the shorter training.
    epochs = found.get("summary", {}).get("train_epochs")
    finished = (directory / "summary.json").exists() and (
        epochs is None or "config" not in found or epochs == found["config"].train_epochs)
    return Run(directory, FINISHED if finished else _unfinished(directory), program, **found, problems=tuple(problems))


def _unfinished(directory: Path) -> str:
    """Running where a process holds the directory's lock, else stopped."""
    try:
        with open(directory / workdir.LOCK) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return RUNNING
    except OSError:
        pass
    return STOPPED


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a `log.csv` as numbers."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{name: value for name, text in row.items() if name and text and (value := _parsed(text)) is not None}
                for row in csv.DictReader(file)]


def number(value: Any) -> float | None:
    """A finite number, else None."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if plain and math.isfinite(value) else None


def _parsed(text: str) -> float | None:
    try:
        return number(float(text))
    except (TypeError, ValueError):
        return None


def _object(path: Path) -> dict[str, Any]:
    values = read_json(path, MAX_BYTES)
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    return values


def _summary(path: Path) -> dict[str, Any]:
    values = _object(path)
    for name in ("cost", "budget"):
        if not isinstance(values.setdefault(name, {}), dict) or None in map(number, values[name].values()):
            raise ValueError(f"{name} must be an object of numbers")
    if min(values["budget"].values(), default=1) <= 0:
        raise ValueError("limits must be above 0")
    for name in ("test_accuracy", "test_images", "search_accuracy", "search_seconds", "train_seconds"):
        if values.get(name) is not None and number(values[name]) is None:
            raise ValueError(f"{name} must be a number")
    return values


def _genotype(path: Path) -> dict[str, Any]:
    values = _object(path)
    shape, classes = made_for(values) if values.get("made_for") else (None, None)
    return {"genotype": Genotype.from_dict_of(path, values), "shape": shape, "num_classes": classes}


def _candidates(path: Path, name: str = "candidates") -> list[dict]:
    candidates = _object(path)[name]
    for candidate in candidates:
        for value in (candidate["accuracy"], *candidate["cost"].values()):
            if number(value) is None:
                raise ValueError(f"{value!r} is no number")
    return candidates


def _lines(path: Path) -> list[dict]:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _confusion(path: Path) -> dict[str, Any]:
    values = _object(path)
    counts, names = values["counts"], values["class_names"]
    if not (len(counts) == len(names) and all(len(row) == len(names) for row in counts)
            and all(isinstance(n, int) and n >= 0 for row in counts for n in row)):
        raise ValueError("counts must be a square of numbers, one row and column a class name")
    return {**values, "class_names": [str(name) for name in names]}
