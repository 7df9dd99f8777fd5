"""The kinds of chart that a report is made of, each readable on a phone: numbers in, Matplotlib figures out.

Texts from outside (names of classes) do not belong here: fonts lack glyphs, and the page has them anyway.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import colormaps, ticker
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

WIDTH = 4.4  # inches: 9 point letters can be read where a phone shows it 390 pixels wide
BLUE, ORANGE, GREEN, RED, GREY = "#1f5fa8", "#c2570c", "#2c7a36", "#b3261e", "#6b6b6b"
LINES = (BLUE, ORANGE, GREEN, "#7b3fa0", "#8a5a44", "#b0307a")

Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]  # name: (xs, ys)


def lines(series: Series, *, percent: bool = False, limits: Mapping[str, float] | None = None,
          zero: bool = False) -> Figure:
    """Draws (epochs, values) by name as lines, and `limits` by name as dashed ones.

    The values are shown in per cent if `percent`, and their axis begins at 0 if `zero`.
    """
    figure, axes = _figure(2.7)
    for (name, (xs, ys)), color in zip(series.items(), cycle(LINES)):
        axes.plot(xs, ys, color=color, lw=1.8, label=name, marker="o" if len(xs) < 2 else None, ms=4)
    for name, limit in (limits or {}).items():
        axes.axhline(limit, color=RED, lw=1.2, ls="--", label=name)
    _epochs(axes)
    if zero:
        axes.set_ylim(bottom=0)
    _numbers(axes.yaxis, percent)
    axes.grid(axis="y")
    legend(figure)
    return figure


def areas(epochs: Sequence[int], rows: Mapping[str, np.ndarray], names: Sequence[str],
          colors: Sequence[Any] | None = None) -> Figure:
    """Draws stacked probabilities [epochs, choices], one row of the chart for each entry of `rows`.

    Choices without colours have an order, and are drawn from light to dark.
    """
    figure, grid = _figure(0.75 + 0.95 * len(rows), len(rows))
    colors = colors or list(colormaps["viridis_r"](np.linspace(0.05, 0.95, len(names))))
    for axes, (title, values) in zip(np.atleast_1d(grid), rows.items()):
        if len(epochs) > 1:
            axes.stackplot(epochs, values.T, colors=colors)
            axes.set_xlim(epochs[0], epochs[-1])
        else:
            starts = np.cumsum(values[0]) - values[0]
            axes.bar([epochs[0]] * len(names), values[0], bottom=starts, color=colors, width=0.5)
        axes.set(ylim=(0, 1), yticks=[0, 1])
        _numbers(axes.yaxis, True)
        axes.set_title(title, fontsize=9, loc="left", pad=3)
    _epochs(axes)
    legend(figure, [Patch(color=color, label=name) for name, color in zip(names, colors)])
    return figure


def mixtures(epochs: Sequence[int], edges: Sequence[str], values: np.ndarray, names: Sequence[str],
             colors: Sequence[Any]) -> Figure:
    """Draws probabilities [epochs, edges, choices] as mixed colours, with a row for each edge and a column an epoch."""
    figure, axes = _figure(0.95 + 0.19 * len(edges))
    image = np.clip(values @ np.array([to_rgb(color) for color in colors]), 0, 1).transpose(1, 0, 2)
    first, last = epochs[0] - 0.5, epochs[-1] + 0.5
    axes.imshow(image, aspect="auto", interpolation="nearest", extent=(first, last, len(edges) - 0.5, -0.5))
    axes.set_yticks(range(len(edges)), edges, fontsize=8)
    axes.set_ylabel("edge")
    _epochs(axes)
    legend(figure, [Patch(color=color, label=name) for name, color in zip(names, colors)])
    return figure


def bars(labels: Sequence[str], parts: Mapping[str, Sequence[float]], unit: str) -> Figure:
    """Draws horizontal bars of stacked parts, the first label on top."""
    figure, axes = _figure(1.2 + 0.24 * len(labels))
    left = np.zeros(len(labels))
    for (name, values), color in zip(parts.items(), (BLUE, ORANGE, GREEN)):
        axes.barh(range(len(labels)), values, left=left, color=color, label=name, height=0.7)
        left += np.array(values)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    _amounts(axes, unit)
    axes.grid(axis="x")
    legend(figure)
    return figure


def fractions_of_limits(rows: Mapping[str, tuple[float, float]]) -> Figure:
    """Draws a bar for each measure (value, limit): the fraction of its limit, which is a line at 100 %."""
    figure, axes = _figure(1.0 + 0.36 * len(rows))
    values = [value / limit for value, limit in rows.values()]
    axes.barh(range(len(rows)), values, color=[RED if v > 1 else BLUE for v in values], height=0.55)
    axes.axvline(1, color=RED, ls="--", lw=1.4)
    axes.set_yticks(range(len(rows)), rows, fontsize=9)
    axes.set(xlim=(0, max(1.12, *values, 0) * 1.02), xlabel="fraction of the budget (dashed)")
    axes.invert_yaxis()
    _numbers(axes.xaxis, True)
    return figure


def against_cost(points: Mapping[str, Sequence[tuple[float, Sequence[float]]]], xlabel: str, ylabel: str,
                 limit: float | None = None, step: Sequence[Sequence[float]] = (),
                 chosen: tuple[float, float] | None = None) -> Figure:
    """Draws mean accuracy against cost, with a bar from the lowest to the highest accuracy.

    `points` are (cost, accuracies by seed) of each network, by kind of network. The budget `limit` is a dashed line,
    `step` the (costs, accuracies) of the Pareto front; the network of (cost, accuracy) `chosen` is marked.
    """
    figure, axes = _figure(2.9)
    if step and len(step[0]) > 1:
        axes.step(*step, where="post", color=GREY, lw=1, label="front")
    styles = ((BLUE, "o"), (GREY, "."), (ORANGE, "D"), (GREEN, "s"), ("#7b3fa0", "^"), ("#8a5a44", "v"))
    for (name, networks), (color, marker) in zip(points.items(), cycle(styles)):
        means = [np.mean(values) for _, values in networks]
        errors = [(mean - min(values), max(values) - mean) for mean, (_, values) in zip(means, networks)]
        axes.errorbar([cost for cost, _ in networks], means, yerr=np.maximum(np.transpose(errors), 0), fmt=marker,
                      color=color, ms=6, elinewidth=1.2, capsize=2, label=name, zorder=3)
    if chosen is not None:
        axes.scatter(*chosen, s=210, facecolors="none", edgecolors="black", linewidths=1.3, label="chosen", zorder=4)
    if limit is not None:
        axes.axvline(limit, color=RED, ls="--", lw=1.2, label="budget")
    axes.margins(0.09)
    _amounts(axes, xlabel)
    axes.set_ylabel(ylabel)
    _numbers(axes.yaxis, True)
    axes.grid()
    legend(figure)
    return figure


def matrix(counts: np.ndarray) -> Figure:
    """Draws a confusion matrix [true, predicted], rows as fractions of their sum; up to 12 classes with the counts."""
    figure, axes = _figure(4.0)
    fractions = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted class", ylabel="true class")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticker.MaxNLocator(integer=True, nbins=13))
    if len(counts) <= 12:
        for i, j in np.argwhere(counts > 0):
            axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", fontsize=7 if counts.max() < 1000 else 6,
                      color="white" if fractions[i, j] > 0.5 else "black")
    figure.colorbar(image, ax=axes, shrink=0.75, format=ticker.PercentFormatter(1, 0))
    return figure


def _figure(height: float, rows: int = 1) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, sharex=True)
    for each in np.atleast_1d(axes):
        each.tick_params(labelsize=8, grid_color="#dddddd")
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _numbers(axis: Any, percent: bool) -> None:
    thousands = ticker.EngFormatter(sep=" ")
    axis.set_major_formatter(ticker.PercentFormatter(1, decimals=None) if percent else ticker.FuncFormatter(
        lambda value, position: f"{value:g}" if abs(value) < 1000 else thousands(value, position)))


def _amounts(axes: Axes, unit: str) -> None:
    axes.set_xlabel(unit)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=5))
    _numbers(axes.xaxis, False)


def _epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, nbins=8))


def legend(figure: Figure, handles: Sequence[Any] | None = None, columns: int = 3) -> None:
    """Adds a legend below the axes of a figure; None: of what its axes show, if that is more than one thing."""
    if handles is None:
        handles, columns = figure.axes[0].get_legend_handles_labels()[0], 2
        handles = handles if len(handles) > 1 else []
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)), frameon=False,
                      fontsize=9)
