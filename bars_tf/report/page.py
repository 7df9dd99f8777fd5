"""A run as one HTML page that needs nothing else, and its figures as PNG files."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bars_tf.console import duration
from bars_tf.cost.measures import LATENCY, UNITS
from bars_tf.files import write_bytes
from bars_tf.report import figures, html
from bars_tf.report import run as runs
from bars_tf.report.run_files import CONFIG, GENOTYPE, MODEL, SPACE, TUNED, number

PAGE, FIGURES = "report.html", "report"
RUNS_PAGE = "runs.html"  # of bin/runs, in the directory above that of the run
MOST_CLASSES = 1000  # rows of the table of classes
SECTIONS = {
    "network": ("The network", "Each node sums its inputs. \"in\" is the input of the cell, with fewer channels where "
                "nodes are concatenated. The output of the cell is made of its nodes and a shortcut around it."),
    "cost": ("Cost", ""),
    "search": ("The search", ""),
    "choices": ("Probabilities of the choices by epoch", "In the figures of edges, a mixed colour is a choice that is "
                "not decided yet."),
    "candidates": ("Candidates", "Networks within the budget, scored with the weights of the supernet on validation "
                   "images. The scores rank networks; once trained, a network is more accurate."),
    "training": ("The training", ""),
    "confusion": ("Test images by class", ""),
}
TRIALS = ("Trials", "Networks within the budget, each trained for a few epochs; accuracy on validation images.")


def write(directory: Path) -> Path:
    """Writes `report.html`, whose path it returns, and the figures in `report/` for the run in a directory.

    Raises: ValueError if the directory holds no run; OSError if it cannot be read or written.
    """
    run, config = runs.read(directory), directory / CONFIG
    problems, shown = list(run.problems), {name: [] for name in SECTIONS}
    for section, figure, content in _rendered(run, problems):
        write_bytes(directory / FIGURES / f"{figure.name}.png", content)
        shown[section].append(figures.as_image(figure, content))
    titles = {**SECTIONS, **({"candidates": TRIALS} if "tuner" in run.summary else {})}
    sections = [{"name": name, "title": title, "text": text, "figures": shown[name]}
                for name, (title, text) in titles.items() if shown[name]]
    write_bytes(directory / PAGE, html.render(
        "report.html", run=run, facts=facts(run), sections=sections, classes=classes(run),
        units={name: unit for name, unit in UNITS.items() if name != LATENCY or run.device},
        commands=commands(run), versions=versions(run), directory=directory.resolve(), problems=problems,
        has_runs_page=(directory.resolve().parent / RUNS_PAGE).exists(), runs_page=RUNS_PAGE,
        settings=config.read_text("utf-8", "replace")[:100_000] if config.exists() else "").encode())
    return directory / PAGE


def _rendered(run: runs.Run, problems: list[str]) -> Iterator[tuple[str, figures.ReportFigure, bytes]]:
    """Sections, figures and PNGs. Whatever fails in some, strange files or Matplotlib, is added to the problems."""
    for section, kind in figures.KINDS_OF_FIGURES.items():
        try:
            yield from [(section, figure, html.png(figure.figure)) for figure in kind(run)]
        except Exception as error:  # noqa: BLE001 - a figure is never worth a run
            problems.append(f"figures of the {section} ({type(error).__name__}: {error})")


def facts(run: runs.Run) -> list[tuple[str, str]]:
    """The numbers at the top of the page."""
    values = run.summary
    cost = values.get("cost") or (run.costs[-1][1].to_dict() if run.costs else {})
    rows = []
    if values.get("test_accuracy") is not None:
        rows.append(("test accuracy", f"{values['test_accuracy']:.2%} of {values.get('test_images') or 0:,} images"))
        if number(values.get("balanced_accuracy")) is not None:
            rows.append(("balanced accuracy", f"{values['balanced_accuracy']:.2%}, the mean over the classes"))
    elif run.train_log and "val_accuracy" in run.train_log[-1]:
        rows.append(("validation accuracy so far", f"{run.train_log[-1]['val_accuracy']:.2%}"))
    if values.get("search_accuracy") is not None:
        rows.append(("accuracy in its trial" if "tuner" in values else "accuracy by the supernet",
                     f"{values['search_accuracy']:.2%}"))
    for name, unit in UNITS.items():
        if name in cost:
            limit = run.budget.get(name)
            rows.append((unit, f"{cost[name]:,.0f}" + (f" of {limit:,.0f}" if limit else "")))
        elif name in run.budget:
            rows.append((f"budget, {unit}", f"{run.budget[name]:,.0f}"))
    if isinstance(tuner := values.get("tuner"), dict):
        names = ("trials", "failed", "infeasible")
        counts = [f"{tuner[name]} {name}" for name in names if number(tuner.get(name)) is not None]
        rows.append(("tuner", ", ".join([str(tuner.get("tuner")), *counts])))
    for name, word in (("search_seconds", "search took"), ("train_seconds", "training took")):
        if values.get(name) is not None:
            rows.append((word, duration(values[name])))
    return rows


def classes(run: runs.Run) -> list[dict[str, Any]]:
    """A row for each class: number of test images, recall, and the classes most often predicted instead."""
    if not run.confusion:
        return []
    names, counts = run.confusion["class_names"], np.array(run.confusion["counts"])
    rows = []
    for i, (name, row) in enumerate(zip(names[:MOST_CLASSES], counts)):
        wrong = np.where(np.arange(len(row)) == i, 0, row)
        most = [f"{names[j]} ({wrong[j]})" for j in np.argsort(-wrong, kind="stable")[:2] if wrong[j]]
        rows.append({"number": i, "name": name, "images": f"{row.sum():,}", "mistaken": ", ".join(most),
                     "recall": f"{row[i] / row.sum():.1%}" if row.sum() else ""})
    return rows


def commands(run: runs.Run) -> list[tuple[str, str]]:
    """Commands that resume a run, repeat it and use its network, each with its purpose."""
    directory = run.directory.resolve()
    again = _flag("workdir", f"{directory}_again")
    flagfile = _flag("flagfile", directory / CONFIG) * bool(run.flags)
    # Behind the flagfile: the files that it names may be gone or others by now.
    own_space = run.flags.get("space", "").endswith(".json") and (directory / SPACE).exists()
    space = _flag("space", directory / SPACE) * own_space
    genotype = _flag("genotype", directory / GENOTYPE) * bool(run.genotype)
    own = flagfile + space + genotype * (run.program == "train" and "genotype" in run.flags)
    found = []
    if run.flags and run.state == runs.STOPPED:
        found.append(("Resume it:", f"bin/{run.program}{own}{_flag('workdir', directory)}"))
    if run.flags:
        found.append(("Repeat it:", f"bin/{run.program}{own}{again}"))
    if run.flags and run.genotype and run.program != "train":
        tuned = _flag("flagfile", directory / TUNED) * (directory / TUNED).exists()
        found.append(("Train the network again:", f"bin/train{flagfile}{tuned}{space}{genotype}{again}"))
    beside = directory.parent
    return [*found, *next_commands(run, directory), ("Compare it with the runs beside it:", (
        f"bin/runs {shlex.quote(str(beside))}{_flag('page', beside / RUNS_PAGE)}"))]


def next_commands(run: runs.Run, directory: Path) -> list[tuple[str, str]]:
    """The commands that people use next on a run in a directory: report, evaluate, export."""
    found = [("Write the report again:", f"bin/report{_flag('workdir', directory)}")]
    if (directory / MODEL).exists():
        flagfile = _flag("flagfile", directory / CONFIG) * bool(run.flags)
        found.append(("Evaluate the network:", f"bin/evaluate{_flag('model', directory / MODEL)}{flagfile}"))
        if run.genotype and not run.is_float:
            found.append(("Export it for devices:",
                          f"bin/export{_flag('workdir', directory)} --name=my_net --output=my_net"))
    return found


def _flag(name: str, path: str | Path) -> str:
    return f" --{name}={shlex.quote(str(path))}"


def versions(run: runs.Run) -> list[tuple[str, str]]:
    """Versions, machine and revision, as `summary.json` has them."""
    values = run.summary
    nested = [group for name in ("versions", "machine") if isinstance(group := values.get(name), dict)]
    rows = [(str(k), str(v)) for group in nested for k, v in group.items()]
    return rows + [(k.replace("_", " "), str(values[k])) for k in ("git_revision", "split_sha256") if values.get(k)]
