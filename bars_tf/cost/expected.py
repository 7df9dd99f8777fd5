"""The expected cost of the networks that probabilities of a space's choices describe."""

import functools
import operator
from types import ModuleType
from typing import Any

import numpy as np

from bars_tf.cost.measures import Cost
from bars_tf.cost.tables import CostTables
from bars_tf.space.encoding import Choices, depth_grid
from bars_tf.space.search_space import SearchSpace


def expected_cost(tables: CostTables, probabilities: Choices, xp: ModuleType = np) -> Any:
    """The mean cost over genotypes whose choices are drawn independently.

    With the probabilities p of widths, q of depths and r of edges, the mean of a sum over layers is

        sum_w p[0, w] stem[w] + sum_w p[-1, w] head[w]
        + sum over cells of P(kept) sum_ab p[s', a] p[s, b] (fixed[a, b] + P(any edge) process[a, b]
                                                             + sum_ek A[e, k] edges[a, b, e, k])

    where s' and s are the stages of a cell's input and output (a = b within a stage), P(kept) is the probability of the
    depths that keep the cell, A[e, k] that of primitive k on edge e from a node that has an input, and P(any edge) that
    of a cell with any edge (see `activity`). Memory is the largest of the means of stem, cells and head, which is at
    most the mean of the largest. At one-hot probabilities this is the exact cost of the genotype.

    Returns:
        Array [5] by the fields of `Cost`; where `xp` is `tensorflow`, a differentiable tensor.
    """
    space, (widths, depths, edges) = tables.space, probabilities
    # [stages, D, t]: 1 where depth choice d of the stage keeps the t-th cell of its chain.
    kept = (depth_grid(space)[:, :, None] >= np.arange(len(space.cells()) + 1)).astype(np.float64)

    def constant(values):
        return values if xp is np else xp.constant(values, edges.dtype)

    active_edges, any_active = activity(space, edges, xp)
    active_cells = xp.einsum("sd,sdt->st", depths, constant(kept))
    means = [xp.einsum("w,wc->c", widths[0], constant(tables.stem)),
             xp.einsum("w,wc->c", widths[space.num_stages - 1], constant(tables.head))]
    for position, process, fixed, edge_costs in tables.cells:
        group = space.groups.index(position.group)
        costs = constant(process) * any_active[group] + constant(fixed)
        costs += xp.einsum("ek,abekc->abc", active_edges[group], constant(edge_costs))
        if position.opens_stage:
            means.append(xp.einsum("a,b,abc->c", widths[position.source_stage], widths[position.stage], costs))
        else:
            diagonal = xp.stack([costs[w, w] for w in range(len(space.width_choices))])
            means.append(active_cells[position.stage, position.depth]
                         * xp.einsum("a,ac->c", widths[position.stage], diagonal))
    total, peak = functools.reduce(operator.add, means), functools.reduce(xp.maximum, [mean[-1] for mean in means])
    return xp.stack([*(total[axis] for axis in range(len(Cost._fields) - 1)), peak])


def activity(space: SearchSpace, edges: Any, xp: ModuleType) -> tuple[Any, Any]:
    """Probabilities that edges and groups have an effect.

    The sets of nodes that have inputs are enumerated: at most 2 ** num_nodes of them. `edges` are probabilities of
    primitives [groups, edges, primitives], of any number of groups.

    Returns:
        The probability that an edge carries a primitive from a node that has an input [groups, edges, primitives], and
        that a group has any such edge [groups].
    """
    none = edges[:, :, space.primitives.index("none")] if "none" in space.primitives else edges[:, :, 0] * 0
    zeros = none[:, 0] * 0
    states = {frozenset([0]): zeros + 1}  # set of nodes with inputs -> its probability [G]
    alive = [zeros + 1]
    for target in range(1, space.num_nodes + 1):
        following, alive_target = {}, zeros
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
