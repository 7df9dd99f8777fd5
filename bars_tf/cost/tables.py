"""Costs: exact for a genotype, expected under probabilities. A multiply-accumulate is one operation.

What is counted is what Larq's model profile counts on the derived network: multiply-accumulates of all convolutions
and dense layers, binary and float apart, and their parameters, two for each batch-normalised channel. Everything
counts: stem, process, shortcuts, reduction cells, head.

The cost of a network is a sum over its parts, each of which depends on at most two widths; `CostTables` holds that sum
for a space, so that exact and expected costs, derivation and search share one formula. Memory of activations, the last
axis of the tables, is the largest of its parts instead (`peaks`).
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from bars_tf.cost import memory as peaks
from bars_tf.errors import FieldError
from bars_tf.network.builder import stem
from bars_tf.network.cells import cell
from bars_tf.network.counting import CountOps
from bars_tf.space.encoding import Choices, chosen_edges, depth_grid
from bars_tf.space.genotype import Genotype
from bars_tf.space.positions import CellPosition
from bars_tf.space.search_space import SearchSpace

OPS_PER_BOP = 1 / 64


class Cost(NamedTuple):
    """Operations in multiply-accumulates, parameters in numbers; the most bytes of activations at one time, of a
    genotype as `peaks` counts them (`deployment` has the exact ones), of a reference exactly."""

    bops: float
    flops: float
    binary_params: float
    float_params: float
    peak_bytes: float

    @property
    def ops(self) -> float:
        """FLOPs + BOPs / 64, as Bi-Real Net and its successors count."""
        return self.flops + self.bops * OPS_PER_BOP

    @property
    def params(self) -> float:
        return self.binary_params + self.float_params

    @property
    def size_bytes(self) -> float:
        """One bit a binary weight, 32 bits any other parameter."""
        return self.binary_params / 8 + 4 * self.float_params

    def as_float(self) -> Cost:
        """The cost of the same network with float convolutions alone."""
        return Cost(0, self.bops + self.flops, 0, self.params, self.peak_bytes)

    def to_dict(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in LIMITED}


# How each measure that is a sum over the parts of a network weighs the axes of a table.
MEASURES = {
    "bops": (1, 0, 0, 0, 0),
    "flops": (0, 1, 0, 0, 0),
    "ops": (OPS_PER_BOP, 1, 0, 0, 0),
    "params": (0, 0, 1, 1, 0),
    "size_bytes": (0, 0, 1 / 8, 4, 0),
}
# The measure that is the largest of the parts.
PEAK = "peak_bytes"
# What a budget can limit.
LIMITED = (*MEASURES, PEAK)


# A network that takes a smaller part of its budget wastes it.
NEARLY_ALL = 0.9


@dataclasses.dataclass(frozen=True)
class Budget:
    """Upper limits, any of them None: operations in multiply-accumulates, sizes in bytes."""

    bops: float | None = None
    flops: float | None = None
    ops: float | None = None
    params: float | None = None
    size_bytes: float | None = None
    peak_bytes: float | None = None

    def __post_init__(self):
        for name, limit in self.limits().items():
            if not limit > 0:
                raise FieldError(name, limit, "must be above 0")

    def limits(self) -> dict[str, float]:
        return {k: v for k, v in dataclasses.asdict(self).items() if v is not None}

    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """The limits of sums over parts: how they weigh the axes of a table [limits, 5], and the limits [limits]."""
        limits = {name: limit for name, limit in self.limits().items() if name != PEAK}
        weights = np.array([MEASURES[name] for name in limits], dtype=np.float64).reshape(-1, len(Cost._fields))
        return weights, np.array(list(limits.values()), dtype=np.float64)

    def allows(self, cost: Cost) -> bool:
        return not self.passed(cost)

    def passed(self, cost: Cost) -> dict[str, float]:
        """The limits that a cost is above, by measure."""
        return {name: limit for name, limit in self.limits().items() if getattr(cost, name) > limit}

    def shares(self, cost: Cost) -> dict[str, float]:
        """The part of each limit that a cost takes. Memory, which most choices leave as it is, counts where it is all
        that is limited, or passed."""
        parts = {name: getattr(cost, name) / limit for name, limit in self.limits().items()}
        if len(parts) > 1 and parts.get(PEAK, 2) <= 1:
            del parts[PEAK]
        return parts

    def used(self, cost: Cost) -> float:
        """The part of the budget that a cost takes: that of the limit which is nearest, or passed by most; 1 without
        limits."""
        return max(self.shares(cost).values(), default=1.0)


class CellCosts(NamedTuple):
    """Costs of one cell for each (source width, width): of what is there with any edge (process, or batch norm of the
    nodes' sum) and of what is always there (shortcut, or backbone) arrays [W, W, 5], of its edges [W, W, edges,
    primitives, 5]. Memory is that of what is always there, and what more it takes with any edge."""

    position: CellPosition
    process: np.ndarray
    fixed: np.ndarray
    edges: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class CostTables:
    """Costs of all parts of a space at one input shape: `stem` and `head` are [W, 5], by first and last width."""

    space: SearchSpace
    stem: np.ndarray
    head: np.ndarray
    cells: tuple[CellCosts, ...]


@functools.lru_cache(maxsize=16)
def cost_tables(space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int) -> CostTables:
    """Counts every part of `space` once for each width that it depends on. The same tables for the same arguments."""
    widths, last = space.width_choices, space.num_stages - 1
    stems, heads = [], []
    for width in widths:
        ops = CountOps(space, {0: width})
        image = stem(ops, space, tuple(input_shape[:2]), input_shape[2])
        stems.append([*sum(ops.costs.values()), peaks.of_stem(space, width, input_shape)])

    cells, size = [], image
    for position in space.cells():
        shape, axes = (len(widths), len(widths)), len(Cost._fields)
        costs = CellCosts(position, np.zeros((*shape, axes)), np.zeros((*shape, axes)),
                          np.zeros((*shape, len(space.edges), len(space.primitives), axes)))
        for a, source_width in enumerate(widths):
            for b, width in enumerate(widths):
                if not position.opens_stage and a != b:
                    continue
                chosen = {position.source_stage: source_width, position.stage: width}
                ops = CountOps(space, chosen)
                cell(ops, space, size, position)
                _fill(costs, a, b, ops.costs, space)
                without_edges, full = peaks.of_cell(space, chosen, size, position)
                costs.fixed[a, b, -1], costs.process[a, b, -1] = without_edges, full - without_edges
        cells.append(costs)
        if position.stride == 2:
            size = ops.average_pool(size)
    for width in widths:
        ops = CountOps(space, {last: width}, num_classes)
        ops.head(size, space.path_channels(last))
        heads.append([*ops.costs["head"], peaks.of_head(space, width, size, num_classes)])
    return CostTables(space, np.array(stems), np.array(heads), tuple(cells))


def _fill(costs: CellCosts, a: int, b: int, counted: dict[str, np.ndarray], space: SearchSpace) -> None:
    for name, cost in counted.items():
        part = name.removeprefix(f"{costs.position.name}_")
        if part.startswith("edge_"):
            _, source, target, primitive = part.split("/")[0].split("_", 3)
            edge = space.edges.index((int(source), int(target)))
            costs.edges[a, b, edge, space.primitives.index(primitive), :-1] += cost
        else:
            (costs.process if part.startswith(("process", "nodes")) else costs.fixed)[a, b, :-1] += cost


def expected_cost(tables: CostTables, probabilities: Choices, xp: ModuleType = np) -> Any:
    """The mean cost [5] over genotypes drawn with independent choices: the space's distribution; of memory the largest
    of the parts' means, which is at most that.

    Args:
        probabilities: of every choice.
        xp: `numpy`, or `tensorflow` for a differentiable result.

    The choices are independent of each other. An edge counts where its source node has an input and its cell is kept;
    process counts where any node has one. At one-hot probabilities this is the exact cost of the genotype.
    """
    space, (widths, depths, edges) = tables.space, probabilities

    def constant(values):
        return values if xp is np else xp.constant(values, edges.dtype)

    active_edges, any_active = activity(space, edges, xp)
    active_cells = xp.einsum("sd,sdt->st", depths, constant(_depth_reaches(space)))
    parts = [xp.einsum("w,wc->c", widths[0], constant(tables.stem)),
             xp.einsum("w,wc->c", widths[space.num_stages - 1], constant(tables.head))]
    for position, process, fixed, edge_costs in tables.cells:
        group = space.groups.index(position.group)
        part = constant(process) * any_active[group] + constant(fixed)
        part += xp.einsum("ek,abekc->abc", active_edges[group], constant(edge_costs))
        if not position.opens_stage:
            cost = xp.einsum("a,aac->c", widths[position.stage], part) if xp is np else xp.einsum(
                "a,ac->c", widths[position.stage], xp.stack([part[w, w] for w in range(len(space.width_choices))]))
            parts.append(active_cells[position.stage, position.depth] * cost)
        else:
            parts.append(xp.einsum("a,b,abc->c", widths[position.source_stage], widths[position.stage], part))
    total, peak = functools.reduce(operator.add, parts), functools.reduce(xp.maximum, [part[-1] for part in parts])
    return xp.stack([*(total[axis] for axis in range(len(Cost._fields) - 1)), peak])


def activity(space: SearchSpace, edges: Any, xp: ModuleType) -> tuple[Any, Any]:
    """Probabilities that edge e carries primitive k from a source that has an input [G, E, K], and that a group has
    any such edge [G]. The sets of nodes that have inputs are enumerated: at most 2 ** num_nodes of them."""
    none = edges[:, :, space.primitives.index("none")] if "none" in space.primitives else edges[:, :, 0] * 0
    states = {frozenset([0]): none[:, 0] * 0 + 1}  # set of nodes with inputs -> its probability [G]
    alive = [none[:, 0] * 0 + 1]
    for target in range(1, space.num_nodes + 1):
        following, alive_target = {}, none[:, 0] * 0
        for nodes, probability in states.items():
            dead = probability
            for source in nodes:
                dead = dead * none[:, space.edges.index((source, target))]
            following[nodes] = dead
            following[nodes | {target}] = probability - dead
            alive_target = alive_target + probability - dead
        states = following
        alive.append(alive_target)
    source_alive = xp.stack([alive[source] for source, _ in space.edges], axis=1)
    return source_alive[:, :, None] * edges, 1 - states[frozenset([0])]


def _depth_reaches(space: SearchSpace) -> np.ndarray:
    """[stages, D, t]: 1 where depth choice d of the stage keeps the t-th cell of its chain."""
    return (depth_grid(space)[:, :, None] >= np.arange(len(space.cells()) + 1)).astype(np.float64)


def cost(genotype: Genotype, tables: CostTables) -> Cost:
    """The exact cost of a genotype; of memory the bound that a budget counts."""
    parts = np.array([part for _, part in _parts(genotype, tables)])
    return Cost(*(round(v) for v in (*parts[:, :-1].sum(0).tolist(), parts[:, -1].max())))


def cost_by_part(genotype: Genotype, tables: CostTables) -> list[tuple[str, Cost]]:
    """The exact cost of the stem, of each kept cell, and of the head."""
    return [(name, Cost(*(round(v) for v in part.tolist()))) for name, part in _parts(genotype, tables)]


def _parts(genotype: Genotype, tables: CostTables) -> list[tuple[str, np.ndarray]]:
    """Costs [5] by part. Thousands of genotypes are counted before a search: every choice is looked up."""
    space = genotype.space
    index = [space.width_choices.index(width) for width in genotype.widths]
    chosen = dict(zip(space.groups, chosen_edges(genotype)))
    rows = [("stem", tables.stem[index[0]])]
    for position, process, fixed, edges in tables.cells:
        if position.depth <= genotype.depths[position.stage]:
            at = index[position.source_stage], index[position.stage]
            part = fixed[at] + process[at] if chosen[position.group] else fixed[at]
            for edge in chosen[position.group]:
                part = part + edges[at][edge]
            rows.append((f"{position.name} ({position.group})", part))
    return [*rows, ("head", tables.head[index[-1]])]
