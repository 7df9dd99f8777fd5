"""The figures of a run, each with a text that stands for it where it is not seen."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from bars_tf.cost.measures import LIMITED, OPS_PER_BOP, UNITS
from bars_tf.report import charts, drawing, html
from bars_tf.report.run import Run


class ReportFigure(NamedTuple):
    """A figure with its file name, title, and the text that stands for it where it is not seen."""

    name: str
    title: str
    alt: str
    figure: Figure


def as_image(figure: ReportFigure, png: bytes) -> dict[str, Any]:
    """The values of a figure that a template shows."""
    width, height = np.round(100 * figure.figure.get_size_inches()).astype(int)
    return {"title": figure.title, "alt": figure.alt, "source": html.data_uri(png), "width": width, "height": height}


def _network(run: Run) -> Iterator[ReportFigure]:
    if not run.genotype:
        return
    lines, graphs = run.genotype.describe(), drawing.graphs(run.genotype)
    alt = "; ".join(drawing.stages(run.genotype) if graphs else lines)
    yield ReportFigure("stages", "Stages: width and depth", alt, drawing.draw_stages(run.genotype))
    for group in graphs:
        line = next(line for line in lines if line.startswith(f"{group}: "))
        alt = f"Primitive and input of each node: {line}"
        yield ReportFigure(f"cell_{group}", f"Cell {group}", alt, drawing.draw_cells(run.genotype, [group]))


def _cost(run: Run) -> Iterator[ReportFigure]:
    if not run.costs:
        return
    *parts, (_, total) = run.costs
    if run.budget:
        rows = {UNITS[name]: (getattr(total, name), limit) for name, limit in run.budget.items() if name in UNITS}
        alt = "; ".join(f"{name}: {value:,.0f} of {limit:,.0f}" for name, (value, limit) in rows.items())
        yield ReportFigure("cost_budget", "Cost and budget", alt, charts.fractions_of_limits(rows))
    names = [name.partition(" ")[0].replace("_", " ") for name, _ in parts]
    for name, title, unit, values in (
            ("cost_ops", "Operations by part", "OPs", {
                "binary (BOPs / 64)": [cost.bops * OPS_PER_BOP for _, cost in parts],
                "float": [cost.flops for _, cost in parts]}),
            ("cost_bytes", "Bytes by part", "bytes", {
                "binary weights": [cost.binary_params / 8 for _, cost in parts],
                "float parameters": [4 * cost.float_params for _, cost in parts]})):
        sums = np.sum(list(values.values()), 0)
        largest = ", ".join(f"{names[i]} {sums[i]:,.0f}" for i in np.argsort(sums)[::-1][:3])
        alt = f"Bars of {len(names)} parts, {sums.sum():,.0f} {unit} in all. The largest: {largest} {unit}."
        yield ReportFigure(name, title, alt, charts.bars(names, values, unit))


def _search(run: Run) -> Iterator[ReportFigure]:
    log = run.search_log
    yield from _lines("search_accuracy", "Accuracy of the sampled networks", log, {
        "accuracy": "images of the weights", "arch_accuracy": "images of the alphas"}, percent=True)
    for name in LIMITED:
        limits = {"budget": run.budget[name]} if name in run.budget else {}
        yield from _lines(f"search_{name}", f"{UNITS[name]}, expected and of the derived network", log, {
            f"expected_{name}": "expected", f"derived_{name}": "derived"}, limits=limits, zero=True)
    yield from _lines("entropy", "Entropy of the choices as a fraction of its maximum", log, {
        "width_entropy": "widths", "depth_entropy": "depths", "micro_entropy": "primitives"}, percent=True, zero=True)
    yield from _lines("temperature", "Temperature", log, {"temperature": "temperature"}, zero=True)


def _choices(run: Run) -> Iterator[ReportFigure]:
    space = run.genotype.space if run.genotype else run.space
    if not space:
        return
    palette, primitives = list(drawing.colors(space).values()), list(space.primitives)
    names = [f"{p}_share" for p in primitives]
    rows = [row for row in run.search_log if all(name in row for name in names)]
    if rows:
        mean = np.array([[row[name] for name in names] for row in rows])
        yield ReportFigure("primitives", "Primitives, mean of all edges",
                           f"Mean of all edges, first and last epoch: {_from_to(primitives, mean)}",
                           charts.areas([int(row["epoch"]) for row in rows], {"": mean}, primitives, palette))
    if not run.trajectory:
        return
    epochs = [int(line["epoch"]) for line in run.trajectory]
    widths, depths, edges = (np.array([line[key] for line in run.trajectory], float)
                             for key in ("widths", "depths", "edges"))
    for name, title, values, choices in (
            ("widths", "Width of each stage", widths, [f"{w:g}" for w in space.width_choices]),
            ("depths", "Normal cells of each stage", *_by_depth(space, depths))):
        if len(choices) > 1:
            stages = {f"stage {s}": values[:, s] for s in range(space.num_stages)}
            alt = ". ".join(f"{stage}, first and last epoch: {_from_to(choices, v)}" for stage, v in stages.items())
            yield ReportFigure(name, title, alt, charts.areas(epochs, stages, choices))
    names = [f"{i or 'in'} to {j}" for i, j in space.edges]
    for g, group in enumerate(space.groups):
        alt = f"Mean of the edges, first and last epoch: {_from_to(primitives, edges[:, g].mean(1))}"
        yield ReportFigure(f"edges_{group}", f"Edges of {group}", alt,
                           charts.mixtures(epochs, names, edges[:, g], primitives, palette))


def _by_depth(space: Any, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Probabilities [epochs, stages, depths], by depth instead of by the place among a stage's own choices."""
    depths = sorted({d for s in range(space.num_stages) for d in space.depths(s)})
    result = np.zeros((*values.shape[:2], len(depths)))
    for s in range(space.num_stages):
        own = space.depths(s)
        result[:, s, np.searchsorted(depths, own)] = values[:, s, :len(own)]
    return result, [str(d) for d in depths]


def _from_to(names: list[str], probabilities: np.ndarray) -> str:
    return ", ".join(f"{n} {a:.0%} to {b:.0%}" for n, a, b in zip(names, probabilities[0], probabilities[-1]))


def _candidates(run: Run) -> Iterator[ReportFigure]:
    if not run.candidates:
        return
    measure = next((name for name in run.budget if name in UNITS), "ops")
    found = [*run.candidates, *({**member, "origin": "family"} for member in run.family)]
    costs = np.array([c["cost"][measure] for c in found], float)
    scores = np.array([c["accuracy"] for c in found], float)
    order = np.lexsort((-scores, costs))
    best = [i for n, i in enumerate(order) if scores[i] > max(scores[order[:n]], default=-1)]
    origins = [str(c.get("origin", "candidate")) for c in found]
    groups = {name: [(cost, [score]) for cost, score, origin in zip(costs, scores, origins) if origin == name]
              for name in dict.fromkeys(origins)}
    unit = UNITS[measure]
    alt = (f"{len(costs)} candidates from {costs.min():,.0f} to {costs.max():,.0f} {unit}, scored {scores.min():.1%} "
           f"to {scores.max():.1%}; chosen: {costs[0]:,.0f} {unit}, {scores[0]:.1%}.")
    figure = charts.against_cost(groups, unit, "accuracy, validation", run.budget.get(measure),
                                 (costs[best], scores[best]), (costs[0], scores[0]))
    yield ReportFigure("candidates", "Accuracy and cost", alt, figure)


def _training(run: Run) -> Iterator[ReportFigure]:
    for name, title, percent in (("accuracy", "Accuracy", True), ("loss", "Loss", False)):
        yield from _lines(f"train_{name}", f"{title} of the network", run.train_log, {
            name: "training images", f"val_{name}": "validation images"}, percent=percent)


def _confusion(run: Run) -> Iterator[ReportFigure]:
    if run.confusion:
        counts = np.array(run.confusion["counts"])
        alt = f"{counts.sum():,} test images of {len(counts)} classes; {np.trace(counts):,} on the diagonal: correct."
        yield ReportFigure("confusion", "Confusion matrix of the test images", alt, charts.matrix(counts))


def _lines(name: str, title: str, log: list[dict[str, float]], columns: dict[str, str], *,
           percent: bool = False, limits: dict[str, float] | None = None, zero: bool = False) -> Iterator[ReportFigure]:
    """A chart of some columns of a log, with their labels, unless it has none of them."""
    series = {label: tuple(zip(*points)) for column, label in columns.items()
              if (points := [(row["epoch"], row[column]) for row in log if column in row and "epoch" in row])}
    if series:
        number = "{:.1%}".format if percent else "{:,.4g}".format
        alt = [f"{label}: {number(ys[0])} at epoch {xs[0]:.0f}, {number(ys[-1])} at epoch {xs[-1]:.0f}"
               for label, (xs, ys) in series.items()] + [f"{k}: {v:,.0f}" for k, v in (limits or {}).items()]
        yield ReportFigure(name, title, "; ".join(alt), charts.lines(series, percent=percent, limits=limits, zero=zero))


# By section, in the order of the page; each gives the figures that the files of a run allow.
KINDS_OF_FIGURES = {"network": _network, "cost": _cost, "search": _search, "choices": _choices,
                    "candidates": _candidates, "training": _training, "confusion": _confusion}
