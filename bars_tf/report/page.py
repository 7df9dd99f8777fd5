"""`bin/report`: a run as one page that needs nothing else, and its pictures as PNG files. Needs no TensorFlow."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bars_tf import __version__
from bars_tf.cli import workdir
from bars_tf.config import SearchConfig
from bars_tf.console import duration
from bars_tf.cost import tables as complexity
from bars_tf.errors import blame
from bars_tf.files import write_bytes
from bars_tf.report import figures as pictures
from bars_tf.report import html as page
from bars_tf.report import run as run_files
from bars_tf.report.closing_table import UNITS
from bars_tf.report.run import Run

PAGE, PICTURES = "report.html", "report"
MOST_CLASSES = 1000  # rows of the table of classes
STATES = {run_files.FINISHED: "finished", run_files.RUNNING: "running",
          run_files.STOPPED: "not finished: the same command goes on with it"}
SECTIONS = {
    "network": ("The network", "Nodes sum what comes in; \"in\" is the cell's input, squeezed where nodes are "
                "concatenated; the nodes and a shortcut around the cell make its output."),
    "cost": ("What it costs", ""),
    "search": ("The search", ""),
    "choices": ("The choices, epoch by epoch", "Probabilities of every choice. In the pictures of edges a colour that "
                "is a mixture is a choice not made yet."),
    "candidates": ("Candidates", "Networks within the budget, scored with the weights of the supernet on validation "
                   "images. The scores rank; a trained network is better."),
    "training": ("The training", ""),
    "confusion": ("Test images, class by class", ""),
}
TRIALS = ("Trials", "Networks within the budget, each trained for a few epochs; accuracy on validation images.")


def main(config: SearchConfig) -> int:
    with blame("workdir", config.workdir):
        path = write(Path(config.workdir))
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB), pictures in {path.parent / PICTURES}/")
    return 0


def write(directory: Path) -> Path:
    """Writes `report.html` and the pictures of `report/` for the run in a directory, with what there is of it.

    Raises: ValueError if it holds no run; OSError if it cannot be read or written.
    """
    run = run_files.read(directory)
    folder = directory / PICTURES
    shown: dict[str, list[dict]] = {name: [] for name in SECTIONS}
    problems = list(run.problems)
    for picture in _pictures(run, problems):
        content = page.png(picture.figure)
        write_bytes(folder / f"{picture.name}.png", content)
        shown[picture.section].append(page.shown(picture, content))
    told = {**SECTIONS, **({"candidates": TRIALS} if "tuner" in run.summary else {})}
    sections = [{"name": name, "title": title, "words": words, "pictures": shown[name]}
                for name, (title, words) in told.items() if shown[name]]
    write_bytes(directory / PAGE, page.render(
        "report.html", title=title(run), run=run, state=STATES[run.state], subtitle=subtitle(run), facts=facts(run),
        sections=sections, classes=classes(run), parts=parts(run), commands=commands(run), settings=settings(run),
        versions=versions(run), version=__version__, directory=str(directory.resolve()), problems=problems,
        now=datetime.datetime.now().strftime("%Y-%m-%d %H:%M")).encode())
    return directory / PAGE


def _pictures(run: Run, problems: list[str]) -> Iterator[pictures.Picture]:
    """The pictures; files that are well-formed and yet strange cost their own part of them alone."""
    for some in pictures.KINDS_OF_PICTURES:
        try:
            yield from some(run)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            problems.append(f"pictures of the {some.__name__.strip('_')} ({type(error).__name__}: {error})")


def title(run: Run) -> str:
    space = run.summary.get("space") or (run.config.space if run.config else "a space")
    dataset = run.summary.get("dataset") or (run.config.data_name if run.config else "data")
    return f"{'Float twin of a network' if run.is_float else 'Binary network'} of {space} for {dataset}"


def subtitle(run: Run) -> str:
    parts = [run.directory.resolve().name]
    if run.config:
        parts.append(f"seed {run.config.seed}")
        if run.state != run_files.FINISHED:
            if run.program == "search":
                parts.append(f"{len(run.search_log)} of {run.config.search_epochs} epochs searched")
            parts.append(f"{len(run.train_log)} of {run.config.train_epochs} epochs trained")
    return ", ".join(parts)


def facts(run: Run) -> list[tuple[str, str]]:
    """The figures at the top of the page."""
    values, cost = run.summary, run.summary.get("cost") or {}
    if not cost and run.genotype and run.shape:
        tables = complexity.cost_tables(run.genotype.space, run.shape, run.num_classes)
        cost = run.counted(complexity.cost(run.genotype, tables)).to_dict()
    rows = []
    if run_files.number(values.get("test_accuracy")) is not None:
        rows.append(("test accuracy", f"{values['test_accuracy']:.2%} of {values.get('test_images') or 0:,} images"))
    elif run.train_log and "val_accuracy" in run.train_log[-1]:
        rows.append(("validation accuracy so far", f"{run.train_log[-1]['val_accuracy']:.2%}"))
    if run_files.number(values.get("search_accuracy")) is not None:
        rows.append(("accuracy in its trial" if "tuner" in values else "accuracy by the supernet",
                     f"{values['search_accuracy']:.2%}"))
    for name, unit in UNITS.items():
        if run_files.number(cost.get(name)) is not None:
            limit = run.budget.get(name)
            rows.append((unit, f"{cost[name]:,.0f}" + (f" of {limit:,.0f}" if limit else "")))
        elif name in run.budget:
            rows.append((f"budget, {unit}", f"{run.budget[name]:,.0f}"))
    if isinstance(tuner := values.get("tuner"), dict):
        counts = [f"{tuner[name]} {name}" for name in ("trials", "failed", "infeasible")
                  if run_files.number(tuner.get(name)) is not None]
        rows.append(("tuner", ", ".join([str(tuner.get("tuner")), *counts])))
    for name, word in (("search_seconds", "search took"), ("train_seconds", "training took")):
        if run_files.number(values.get(name)) is not None:
            rows.append((word, duration(values[name])))
    return rows


def classes(run: Run) -> list[dict[str, Any]]:
    """A row for each class: how many test images, how many of them right, what the others were taken for."""
    if not run.confusion:
        return []
    names, counts = run.confusion["class_names"], np.array(run.confusion["counts"])
    rows = []
    for i, (name, row) in enumerate(zip(names[:MOST_CLASSES], counts)):
        wrong = row.copy()
        wrong[i] = 0
        most = [f"{names[j]} ({wrong[j]})" for j in np.argsort(-wrong, kind="stable")[:2] if wrong[j]]
        rows.append({"number": i, "name": name, "images": f"{row.sum():,}", "mistaken": ", ".join(most),
                     "right": f"{row[i] / row.sum():.1%}" if row.sum() else ""})
    return rows


def parts(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """The cost of each part of the network, and of all, measure by measure."""
    if not (run.genotype and run.shape):
        return []
    tables = complexity.cost_tables(run.genotype.space, run.shape, run.num_classes)
    rows = [*complexity.cost_by_part(run.genotype, tables), ("all", complexity.cost(run.genotype, tables))]
    return [(name, [(UNITS[key], f"{value:,.0f}") for key, value in run.counted(cost).to_dict().items()])
            for name, cost in rows]


def commands(run: Run) -> list[tuple[str, str]]:
    """What to type to go on with a run, to repeat it and to use what it found."""
    directory = run.directory.resolve()
    quoted = {name: shlex.quote(str(directory / name)) for name in (workdir.CONFIG, workdir.SPACE, "genotype.json",
                                                                         "model.h5")}
    here, other = shlex.quote(str(directory)), shlex.quote(f"{directory}_again")
    program, flagfile = run.program, f" --flagfile={quoted[workdir.CONFIG]}" * bool(run.config)
    # Behind the flagfile: the files that it names may be gone or others by now.
    space = f" --space={quoted[workdir.SPACE]}" if (directory / workdir.SPACE).exists() else ""
    genotype = f" --genotype={quoted['genotype.json']}" if run.genotype else ""
    mine = space + (genotype if program == "train" and run.config and run.config.genotype else "")
    found = []
    if run.config and run.state == run_files.STOPPED:
        found.append(("Go on:", f"bin/{program}{flagfile}{mine} --workdir={here}"))
    if run.config:
        found.append(("Repeat it:", f"bin/{program}{flagfile}{mine} --workdir={other}"))
    if run.config and run.genotype and program != "train":
        tuned = directory / workdir.TUNED
        more = f" --flagfile={shlex.quote(str(tuned))}" if tuned.exists() else ""
        found.append(("Train the network again:", f"bin/train{flagfile}{more}{space}{genotype} --workdir={other}"))
    if (run.directory / "model.h5").exists():
        found.append(("Measure it:", f"bin/evaluate --model={quoted['model.h5']}{flagfile}"))
        if run.genotype:
            found.append(("Export it for devices:", f"bin/export --workdir={here} --name=my_net --output=my_net"))
    return [*found, ("Write this page again:", f"bin/report --workdir={here}")]


def settings(run: Run) -> str:
    path = run.directory / workdir.CONFIG
    return path.read_text(encoding="utf-8", errors="replace")[:100_000] if path.exists() else ""


def versions(run: Run) -> list[tuple[str, str]]:
    """Versions, machine and revision as `summary.json` has them."""
    values = run.summary
    nested = [values.get(name) for name in ("versions", "machine")]
    rows = [(str(k), str(v)) for group in nested if isinstance(group, dict) for k, v in group.items()]
    return rows + [(k.replace("_", " "), str(values[k])) for k in ("git_revision", "split_sha256") if values.get(k)]
