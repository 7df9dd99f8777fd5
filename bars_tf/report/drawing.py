"""Drawings of a genotype, for pages and notebooks: the chain of its cells, and a graph of each topology."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from bars_tf.report import html
from bars_tf.report.charts import WIDTH, legend
from bars_tf.space.genotype import Genotype, Topology
from bars_tf.space.search_space import SearchSpace

COLORS = {"none": "#e3e3e3", "skip": "#7f7f7f", "bin_conv_1x1": "#2ca02c", "bin_conv_3x3": "#1f77b4",
          "bin_conv_5x5": "#9467bd", "bin_dil_conv_3x3": "#d62728"}
OTHERS = ("#ff7f0e", "#17becf", "#bcbd22", "#8c564b", "#e377c2")


def colors(space: SearchSpace) -> dict[str, str]:
    """A colour for each primitive of a space, the same in every figure."""
    rest = iter(OTHERS * len(space.primitives))
    return {name: COLORS.get(name) or next(rest) for name in space.primitives}


def draw(genotype: Genotype) -> Figure:
    """Draws each topology of the network as a graph, below the description of the stages.

    Edges go from the input of the cell ("in") through its nodes. Cells of one node have no graph worth drawing: for
    these, the chain of cells is drawn.
    """
    groups, lines = graphs(genotype), stages(genotype)
    if not groups:
        return draw_stages(genotype)
    columns = min(3, len(groups))
    figure = draw_cells(genotype, groups, columns)
    figure.set_figheight(figure.get_figheight() + 0.9)
    figure.suptitle("\n".join("   ".join(lines[i:i + columns]) for i in range(0, len(lines), columns)), fontsize=10)
    for axes, group in zip(figure.axes, groups):
        axes.set_title(group, fontsize=10)
    return figure


def as_html(genotype: Genotype) -> str:
    """The drawing of a genotype with its description below, as a fragment of HTML."""
    return html.render("genotype.html", figure=html.data_uri(html.png(draw(genotype), 100)),
                       description=genotype.describe())


def draw_cells(genotype: Genotype, groups: Sequence[str], columns: int = 1) -> Figure:
    """Draws the topologies of some groups of cells as graphs."""
    rows, palette, fractions = -(-len(groups) // columns), colors(genotype.space), genotype.primitive_fractions()
    figure = Figure(figsize=(WIDTH * columns, 2.6 * rows), layout="constrained")
    for i, group in enumerate(groups, 1):
        _draw_cell(figure.add_subplot(rows, columns, i), genotype.topology(group), palette)
    legend(figure, [Line2D([], [], color=color, lw=2, label=name) for name, color in palette.items()
                    if fractions[name] and name != "none"], 1 + 2 * columns)
    return figure


def draw_stages(genotype: Genotype) -> Figure:
    """Draws the chain of cells, one row for each stage; cells that are left out are empty frames.

    The filled height is the width as a fraction of the full width. Cells of one node have their primitive's colour.
    """
    space, active = genotype.space, set(genotype.active_cells())
    chains = [[p for p in space.cells() if p.stage == stage] for stage in range(space.num_stages)]
    longest = max(3, *map(len, chains))
    figure = Figure(figsize=(WIDTH, 0.5 + 0.95 * len(chains)), layout="constrained")
    axes = figure.subplots()
    for stage, (chain, line) in enumerate(zip(chains, stages(genotype))):
        bottom, width = -1.5 * stage, genotype.widths[stage]
        axes.text(0, bottom + 1.08, line, fontsize=9)
        for i, position in enumerate(chain):
            axes.add_patch(Rectangle((i, bottom), 0.86, 0.9, fc="none", ec="#aaaaaa", ls="--", lw=0.8))
            label, ink, height = "left\nout", "#666666", 0.9
            if position in active:
                reduces, height = position.stride == 2, 0.9 * width
                if space.num_nodes > 1:
                    label = "reduction" if reduces else position.group.replace("_", "\n")
                    color, ink = "#c2570c" if reduces else "#1f5fa8", "white"
                else:
                    primitive = next((name for _, name in genotype.topology(position.group)[0]), "none")
                    label = primitive.removeprefix("bin_").replace("_", " ") + "\nstride 2" * reduces
                    color, ink = colors(space)[primitive], "black"
                axes.add_patch(Rectangle((i, bottom), 0.86, height, fc=color, ec=color, alpha=0.85))
            axes.text(i + 0.43, bottom + height / 2, label, ha="center", va="center", fontsize=min(8, 30 / longest),
                      color=ink)
    axes.set(xlim=(-0.05, longest), ylim=(-1.5 * (len(chains) - 1) - 0.1, 1.45))
    axes.axis("off")
    return figure


def stages(genotype: Genotype) -> list[str]:
    """A line of description for each stage."""
    return genotype.describe()[:genotype.space.num_stages]


def graphs(genotype: Genotype) -> list[str]:
    """The groups whose topologies are drawn: those of active cells, unless cells have one node."""
    if genotype.space.num_nodes == 1:
        return []
    active = {position.group for position in genotype.active_cells()}
    return [group for group in genotype.space.groups if group in active]


def _draw_cell(axes: Axes, topology: Topology, palette: Mapping[str, str]) -> None:
    axes.set(xlim=(-0.5, len(topology) + 0.5), ylim=(-1.25, 1.25))
    axes.axis("off")
    for target, node in enumerate(topology, start=1):
        for source, primitive in node:
            # Long edges in wider arcs, alternately above and below, so that none hides another.
            bend = 0.0 if target == source + 1 else (-0.35 if source % 2 else 0.35) - 0.04 * (target - source)
            axes.annotate("", (target, 0), (source, 0), arrowprops={
                "arrowstyle": "-|>", "color": palette[primitive], "lw": 1.8, "shrinkA": 12, "shrinkB": 12,
                "connectionstyle": f"arc3,rad={bend}"})
    for x, alive in enumerate((True, *topology)):
        ink = "black" if alive else "#bbbbbb"
        axes.text(x, 0, str(x or "in"), ha="center", va="center", fontsize=10, color=ink,
                  bbox={"boxstyle": "circle", "fc": "white", "ec": ink})
