"""The runs below a directory: as rows of a table, and side by side on one page."""

import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.ticker import EngFormatter

from bars_tf.console import duration
from bars_tf.cost.measures import LATENCY, PEAK, UNITS
from bars_tf.files import write_bytes
from bars_tf.report import charts, figures, html, page, run_files, text_table
from bars_tf.report import run as runs

NUMBERS = ("seed", "bops", "flops", "ops", "params", "size_bytes", "elementwise_ops", LATENCY, PEAK,
           "search_accuracy", "test_accuracy", "search_seconds", "train_seconds")
COLUMNS = ("run", "state", "space", "dataset", "budget", *NUMBERS)
HEADS = {"dataset": "data", **UNITS, "search_accuracy": "search acc.", "test_accuracy": "test acc.",
         "search_seconds": "search", "train_seconds": "training"}
# The columns of the table; JSON has all.
SHOWN = tuple(name for name in COLUMNS if name not in ("flops", "params", "elementwise_ops", LATENCY, PEAK))


class Entry(NamedTuple):
    """A run with its values by column: costs in operations and bytes, times in seconds, None for a missing one."""

    run: runs.Run
    values: dict[str, Any]


def find(top: Path) -> list[Entry]:
    """Reads the runs below (and at) a directory, in the order of their paths. Links are not followed.

    Raises: ValueError if there are none; OSError if the directory cannot be listed.
    """
    os.listdir(top)
    found = []
    for directory, names, _ in os.walk(top):
        names.sort()
        if runs.is_run(Path(directory)):
            names.clear()
            found.append(_entry(runs.read(Path(directory)), top))
    if not found:
        raise ValueError("no run is below it")
    return found


def _entry(run: runs.Run, top: Path) -> Entry:
    values = {**run.summary, **run.summary.get("cost", {})}
    return Entry(run, {
        "run": os.path.relpath(run.directory, top) if run.directory != top else run.directory.resolve().name,
        "state": run.state, "space": run.space_name, "dataset": run.dataset, "budget": run.budget,
        **{name: run_files.number(values.get(name)) for name in NUMBERS},
        "seed": run.seed, "epochs_searched": len(run.search_log), "epochs_trained": len(run.train_log),
        "problems": list(run.problems)})


def ordered(entries: list[Entry], by: str) -> list[Entry]:
    """Sorts runs by a column, with a minus before it for the largest first; runs without a value come last.

    Raises: ValueError for an unknown column.
    """
    name, columns = by.removeprefix("-"), [column for column in COLUMNS if column != "budget"]
    if name not in columns:
        raise ValueError(f"must be one of {', '.join(columns)}, with a minus before it for the largest first")
    known = [entry for entry in entries if entry.values[name] is not None]
    return sorted(known, key=lambda entry: entry.values[name], reverse=by.startswith("-")) + [
        entry for entry in entries if entry.values[name] is None]


def print_table(entries: list[Entry]) -> None:
    """Prints the table of runs."""
    text_table.print_table([[HEADS.get(name, name) for name in SHOWN],
                            *([_cell(name, values[name]) for name in SHOWN] for _, values in entries)],
                           left=[i for i, name in enumerate(SHOWN) if name not in NUMBERS])


def _cell(name: str, value: Any) -> str:
    if value in (None, "", {}):
        return "-"
    if name == "budget":
        return ", ".join(f"{EngFormatter(sep='')(v)} {UNITS.get(k, k)}" for k, v in value.items())  # 250k, 12.5M
    if name.endswith("accuracy"):
        return f"{value:.2%}"
    if name.endswith("seconds"):
        return duration(value)
    return f"{value:,.0f}" if name in NUMBERS else str(value)


def write_page(path: Path, entries: list[Entry], top: Path) -> None:
    """Writes a page with the runs side by side, whose figures name the runs by their numbers in the table.

    Raises: OSError if it cannot be written.
    """
    table = [{"cells": [(HEADS.get(name, name), _cell(name, values[name]), name in NUMBERS) for name in SHOWN],
              "link": urllib.parse.quote(os.path.relpath(own, path.parent)) if own.exists() else ""}
             for run, values in entries for own in (run.directory / page.PAGE,)]
    write_bytes(path, html.render(
        "runs.html", title=f"Runs below {top.resolve().name}",
        heads=[(HEADS.get(name, name), name in NUMBERS) for name in SHOWN], rows=table,
        figures=[figures.as_image(figure, html.png(figure.figure)) for figure in _figures(entries)],
        directory=str(top.resolve())).encode())


def _figures(entries: list[Entry]) -> Iterator[figures.ReportFigure]:
    for name in ("ops", "size_bytes"):
        points = {str(i): (values[name], values["test_accuracy"]) for i, (_, values) in enumerate(entries, start=1)
                  if None not in (values[name], values["test_accuracy"])}
        if points:
            alt = "; ".join(f"run {i}: {cost:,.0f} {UNITS[name]}, {accuracy:.2%}"
                            for i, (cost, accuracy) in points.items())
            figure = charts.against_cost({i: [(cost, [accuracy])] for i, (cost, accuracy) in points.items()},
                                         UNITS[name], "test accuracy")
            yield figures.ReportFigure(name, f"Test accuracy and {UNITS[name]}", alt, figure)
    for title, key, logs in (("Validation accuracy in training", "val_accuracy", [run.train_log for run, _ in entries]),
                             ("Accuracy in the search", "accuracy", [run.search_log for run, _ in entries])):
        series = {str(i): ([r["epoch"] for r in log], [r[key] for r in log]) for i, log in enumerate(logs, start=1)
                  if log and all(key in r and "epoch" in r for r in log)}
        if series:
            alt = "; ".join(f"run {i}: {ys[-1]:.1%} at epoch {xs[-1]:.0f}" for i, (xs, ys) in series.items())
            yield figures.ReportFigure(key, title, alt, charts.lines(series, percent=True))
