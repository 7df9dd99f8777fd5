"""A run as its files describe it. It may be unfinished, old or damaged: every file that can be read is."""

import fcntl
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bars_tf.cost.budget import BUDGETS
from bars_tf.cost.device import Device
from bars_tf.cost.measures import Cost
from bars_tf.cost.tables import cost_by_cell, cost_of, cost_tables
from bars_tf.data.settings import USER_IMAGES
from bars_tf.report import run_files
from bars_tf.report.run_files import CONFIG, DEVICE, GENOTYPE, LOCK, NETWORKS, SPACE, SUMMARY, number
from bars_tf.space.genotype import Genotype, made_for
from bars_tf.space.search_space import SearchSpace

FINISHED, RUNNING, STOPPED = "finished", "running", "stopped"


@dataclass(frozen=True)
class Run:
    """The contents of a run's files, named as these. Fields of missing files are empty or None.

    `state` is `FINISHED`, `RUNNING` or `STOPPED`; `program` is "search", "train" or "tune". `flags` are texts by name.
    The derived or trained genotype was `made_for` images of a shape, and a number of classes. Candidates and members
    of the family stand with the best first; logs have a row, the trajectory a line an epoch. `problems` has a line for
    each file that could not be read.
    """

    directory: Path
    state: str
    program: str = "search"
    flags: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    genotype: Genotype | None = None
    made_for: tuple[tuple[int, int, int], int] | None = None
    space: SearchSpace | None = None
    device: Device | None = None
    candidates: list[dict] = field(default_factory=list)
    family: list[dict] = field(default_factory=list)
    search_log: list[dict[str, float]] = field(default_factory=list)
    trajectory: list[dict] = field(default_factory=list)
    train_log: list[dict[str, float]] = field(default_factory=list)
    confusion: dict[str, Any] | None = None
    problems: tuple[str, ...] = ()

    @property
    def is_float(self) -> bool:
        """Whether the network is a float twin."""
        return (self.summary.get("precision") or self.flags.get("precision")) == "float"

    @property
    def budget(self) -> dict[str, float]:
        """The limits by measure; none for a float twin, because budgets are of binary networks."""
        if self.is_float:
            return {}
        return self.summary.get("budget") or {
            measure: float(self.flags[f"budget_{name}"]) for name, measure in BUDGETS.items()
            if f"budget_{name}" in self.flags}

    @property
    def space_name(self) -> str:
        """Name or file of the search space."""
        return str(self.summary.get("space") or self.flags.get("space") or "")

    @property
    def dataset(self) -> str:
        """Name of the data set, or of the user's images."""
        own = (os.path.basename(self.flags.get(name, "")) for name in USER_IMAGES)
        given = next(filter(None, own), self.flags.get("dataset"))
        return str(self.summary.get("dataset") or given or "")

    @property
    def seed(self) -> float | None:
        return number(self.summary.get("seed", int(self.flags["seed"]) if "seed" in self.flags else None))

    @functools.cached_property
    def costs(self) -> list[tuple[str, Cost]]:
        """Cost of each part of the network and, as the last row, of "all"; empty if its images are unknown."""
        if not (self.genotype and self.made_for):
            return []
        tables = cost_tables(self.genotype.space, *self.made_for, self.device)
        rows = [*cost_by_cell(self.genotype, tables), ("all", cost_of(self.genotype, tables))]
        return [(name, cost.as_float()) for name, cost in rows] if self.is_float else rows


def is_run(directory: Path) -> bool:
    """Whether a directory is the work directory of one network; a comparison has one for each of its networks."""
    return ((directory / CONFIG).is_file() or (directory / SUMMARY).is_file()) and not (directory / NETWORKS).is_dir()


def read(directory: Path) -> Run:
    """Reads the files of a run. Raises ValueError if the directory is no work directory."""
    if not directory.is_dir():
        raise ValueError("no such directory")
    if (directory / NETWORKS).is_dir():
        raise ValueError(f"a comparison; its runs are below {directory / NETWORKS}")
    if not is_run(directory):
        raise ValueError(f"no run: it has neither {CONFIG} nor {SUMMARY}")
    found: dict[str, Any] = {}
    problems = []

    def take(entry: str, name: str, reader: Callable[[Path], Any]) -> None:
        path = directory / name
        if path.exists():
            try:
                found[entry] = reader(path)
            # Whatever a file of another version or another hand leads to: the rest is still shown.
            except (ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError) as error:
                problems.append(f"{name}: {str(error).removeprefix(f'{path}: ') or type(error).__name__}")

    take("flags", CONFIG, run_files.read_flags)
    take("summary", SUMMARY, run_files.read_summary)
    take("genotype", GENOTYPE, Genotype.load)
    take("made_for", GENOTYPE, lambda path: made_for(run_files.read_object(path)))
    take("space", SPACE, lambda path: SearchSpace.from_dict(run_files.read_object(path)))
    take("device", DEVICE, lambda path: Device.from_dict(run_files.read_object(path)))
    take("candidates", run_files.CANDIDATES, lambda path: run_files.read_candidates(path, "candidates"))
    take("family", run_files.FAMILY, lambda path: run_files.read_candidates(path, "members"))
    take("search_log", "search/log.csv", run_files.read_log)
    take("trajectory", "search/trajectory.jsonl", run_files.read_lines)
    take("train_log", "train/log.csv", run_files.read_log)
    take("confusion", "confusion.json", run_files.read_confusion)
    # A finished run may be trained for longer: then its summary is that of the shorter training.
    trained = found.get("summary", {}).get("train_epochs")
    finished = (directory / SUMMARY).exists() and (
        trained is None or str(trained) == found.get("flags", {}).get("train_epochs", str(trained)))
    return Run(directory, FINISHED if finished else _unfinished(directory), run_files.program_of(directory), **found,
               problems=tuple(dict.fromkeys(problems)))


def _unfinished(directory: Path) -> str:
    """Running if a process holds the directory's lock, else stopped."""
    try:
        with open(directory / LOCK) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return RUNNING
    except OSError:
        pass
    return STOPPED
