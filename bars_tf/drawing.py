"""A genotype as a picture. By matplotlib, which lays out these few nodes well enough and is everywhere."""

from __future__ import annotations

import os

import matplotlib
from matplotlib.figure import Figure

from bars_tf.genotype import Genotype

COLORS = {"skip": "#7f7f7f", "bin_conv_1x1": "#2ca02c", "bin_conv_3x3": "#1f77b4", "bin_conv_5x5": "#9467bd",
          "bin_dil_conv_3x3": "#d62728"}


def draw(genotype: Genotype) -> Figure:
    """The stages in words, and each kept topology as a graph from the cell's input (in) through its nodes."""
    space, kept = genotype.space, {position.group for position in genotype.active_cells()}
    groups = [group for group in space.groups if group in kept]
    columns = min(3, max(1, len(groups)))
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(4.4 * columns, 2.6 * rows + 0.9), layout="constrained")
    stages = "   ".join(
        f"stage {s}: {space.path_channels(s).count(w)} channels, {d} cell{'' if d == 1 else 's'}"
        for s, (w, d) in enumerate(zip(genotype.widths, genotype.depths)))
    figure.suptitle(stages, fontsize=10)
    for i, group in enumerate(groups):
        _draw_cell(figure.add_subplot(rows, columns, i + 1), genotype, group)
    used = [p for p in space.primitives if genotype.shares().get(p) and p != "none"]
    handles = [matplotlib.lines.Line2D([], [], color=COLORS[p], lw=2, label=p) for p in used]
    figure.legend(handles=handles, loc="outside lower center", ncols=max(1, len(used)), frameon=False, fontsize=9)
    return figure


def save(genotype: Genotype, path: str | os.PathLike) -> None:
    """Writes the picture as a PNG or whatever the name's ending says."""
    draw(genotype).savefig(path, dpi=120)


def _draw_cell(axes, genotype: Genotype, group: str) -> None:
    nodes = genotype.space.num_nodes
    axes.set(xlim=(-0.5, nodes + 0.5), ylim=(-1.25, 1.25))
    axes.axis("off")
    axes.set_title(group, fontsize=10)
    for target, node in enumerate(genotype.topology(group), start=1):
        for source, primitive in node:
            # Long edges in wider arcs, alternately above and below, so that none hides another.
            bend = 0.0 if target == source + 1 else (-0.35 if source % 2 else 0.35) - 0.04 * (target - source)
            axes.annotate("", (target, 0), (source, 0), arrowprops={
                "arrowstyle": "-|>", "color": COLORS[primitive], "lw": 1.8, "shrinkA": 12, "shrinkB": 12,
                "connectionstyle": f"arc3,rad={bend}"})
    for node in range(nodes + 1):
        alive = node == 0 or genotype.topology(group)[node - 1]
        axes.text(node, 0, "in" if node == 0 else str(node), ha="center", va="center", fontsize=10,
                  color="black" if alive else "#bbbbbb",
                  bbox={"boxstyle": "circle", "fc": "white", "ec": "black" if alive else "#bbbbbb"})
