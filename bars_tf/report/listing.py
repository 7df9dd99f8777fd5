"""`bin/runs`: the runs below a directory as a table, as JSON, or side by side on one page. Needs no TensorFlow."""

from __future__ import annotations

import datetime
import json
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bars_tf import __version__
from bars_tf.config import SearchConfig
from bars_tf.console import duration
from bars_tf.cost.tables import PEAK
from bars_tf.errors import InputError, blame
from bars_tf.files import write_bytes
from bars_tf.report import charts
from bars_tf.report import figures as pictures
from bars_tf.report import html as page
from bars_tf.report import run as run_files
from bars_tf.report.closing_table import UNITS
from bars_tf.report.page import PAGE
from bars_tf.report.run import Run

NUMBERS = ("seed", "bops", "flops", "ops", "params", "size_bytes", PEAK, "search_accuracy", "test_accuracy",
           "search_seconds", "train_seconds")
COLUMNS = ("run", "state", "space", "dataset", "budget", *NUMBERS)
HEADS = {"dataset": "data", **UNITS, "search_accuracy": "search acc.", "test_accuracy": "test acc.",
         "search_seconds": "search", "train_seconds": "training"}
# What the table shows; JSON has all.
SHOWN = tuple(name for name in COLUMNS if name not in ("flops", "params", PEAK))


def main(config: SearchConfig) -> int:
    top = Path(config.directory)
    with blame("directory", config.directory):
        found = [run_files.read(path) for path in below(top)]
        if not found:
            raise ValueError("no run is below it")
    found = ordered(found, top, config.sort)
    rows = [row(run, top) for run in found]
    if config.page:
        with blame("page", config.page):
            write_bytes(config.page, comparison(found, rows, top, Path(config.page).parent).encode())
    if config.json:
        print(json.dumps(rows, allow_nan=False))
    else:
        print_table(rows)
        if config.page:
            print(f"\npage: {config.page}")
    return 0


def below(top: Path) -> Iterator[Path]:
    """The work directories below (and at) `top`, in the order of their names. Links are not followed.

    Raises: OSError if it cannot be listed.
    """
    os.listdir(top)
    for directory, names, _ in os.walk(top):
        names.sort()
        if run_files.is_run(Path(directory)):
            names.clear()
            yield Path(directory)


def row(run: Run, top: Path) -> dict[str, Any]:
    """What the table and JSON say of a run: costs in operations and bytes, times in seconds; None for what there is
    not."""
    values = {**run.summary, **run.summary.get("cost", {})}
    config = run.config
    texts = {"space": config.space if config else None, "dataset": config.data_name if config else None}
    return {
        "run": os.path.relpath(run.directory, top) if run.directory != top else run.directory.resolve().name,
        "state": run.state,
        **{name: str(values.get(name) or text or "") for name, text in texts.items()},
        "budget": run.budget,
        **{name: run_files.number(values.get(name)) for name in NUMBERS},
        "seed": run_files.number(values.get("seed", config.seed if config else None)),
        "epochs_searched": len(run.search_log), "epochs_trained": len(run.train_log),
        "problems": list(run.problems),
    }


def ordered(found: list[Run], top: Path, by: str) -> list[Run]:
    """Sorted by a column, downwards with a minus before it; runs that have no such figure come last.

    Raises: InputError for an unknown column.
    """
    name = by.removeprefix("-")
    if name not in COLUMNS or name == "budget":
        known = ", ".join(column for column in COLUMNS if column != "budget")
        raise InputError.of("sort", by, f"must be one of {known}, with a minus before it for the largest first")
    keys = {id(run): row(run, top)[name] for run in found}
    known = [run for run in found if keys[id(run)] is not None]
    return sorted(known, key=lambda run: keys[id(run)], reverse=by.startswith("-")) + [
        run for run in found if keys[id(run)] is None]


def cell(name: str, value: Any) -> str:
    """A value as the table shows it."""
    if value is None or value == "" or value == {}:
        return "-"
    if name == "budget":
        return ", ".join(f"{quantity(v)} {UNITS.get(k, k)}" for k, v in value.items())
    if name.endswith("accuracy"):
        return f"{value:.2%}"
    if name.endswith("seconds"):
        return duration(value)
    return f"{value:,.0f}" if name in NUMBERS else str(value)


def quantity(value: float) -> str:
    """A number as budgets are written: 250k, 12.5M."""
    scale, letter = next(((s, c) for s, c in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= s), (1, ""))
    return f"{value / scale:.4g}{letter}"


def print_table(rows: list[dict[str, Any]]) -> None:
    """The table, for people. What is not printable in a file's text could steer the terminal."""
    def printable(text: str) -> str:
        return "".join(c if c.isprintable() else "?" for c in text)

    table = [[HEADS.get(name, name) for name in SHOWN]] + [
        [printable(cell(name, values[name])) for name in SHOWN] for values in rows]
    widths = [max(map(len, column)) for column in zip(*table)]
    for line in table:
        print("  ".join(f"{text:>{w}}" if name in NUMBERS else f"{text:<{w}}"
                        for name, text, w in zip(SHOWN, line, widths)).rstrip())


def comparison(found: list[Run], rows: list[dict[str, Any]], top: Path, folder: Path) -> str:
    """The runs side by side as a page that stands in `folder`. In pictures they have the numbers of the table."""
    shown = [page.shown(picture, page.png(picture.figure)) for picture in _pictures(found, rows)]
    table = [{"cells": [(HEADS.get(name, name), cell(name, values[name]), name in NUMBERS) for name in SHOWN],
              "link": _link(run, folder)}
             for run, values in zip(found, rows)]
    return page.render("runs.html", title=f"Runs below {top.resolve().name}", heads=[
        (HEADS.get(name, name), name in NUMBERS) for name in SHOWN], rows=table, pictures=shown, version=__version__,
        directory=str(top.resolve()), now=datetime.datetime.now().strftime("%Y-%m-%d %H:%M"))


def _link(run: Run, folder: Path) -> str:
    path = run.directory / PAGE
    return urllib.parse.quote(os.path.relpath(path, folder)) if path.exists() else ""


def _pictures(found: list[Run], rows: list[dict[str, Any]]) -> Iterator[pictures.Picture]:
    for name in ("ops", "size_bytes"):
        points = {str(i): ([values[name]], [values["test_accuracy"]]) for i, values in enumerate(rows, start=1)
                  if values[name] is not None and values["test_accuracy"] is not None}
        if points:
            alt = "; ".join(f"run {i}: {xs[0]:,.0f} {UNITS[name]}, {ys[0]:.2%}" for i, (xs, ys) in points.items())
            yield pictures.Picture("", name, f"Test accuracy and {UNITS[name]}", alt,
                                   charts.front(points, UNITS[name], "test accuracy"))
    for title, key, logs in (("Validation accuracy in training", "val_accuracy", [run.train_log for run in found]),
                             ("Accuracy in the search", "accuracy", [run.search_log for run in found])):
        series = {str(i): ([r["epoch"] for r in log], [r[key] for r in log]) for i, log in enumerate(logs, start=1)
                  if log and all(key in r and "epoch" in r for r in log)}
        if series:
            alt = "; ".join(f"run {i}: {ys[-1]:.1%} at epoch {xs[-1]:.0f}" for i, (xs, ys) in series.items())
            yield pictures.Picture("", key, title, alt, charts.lines(series, percent=True))
