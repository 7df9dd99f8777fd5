"""The expected cost of the networks that probabilities of a space's choices describe."""

import functools
import operator
from types import ModuleType
from typing import Any

import numpy as np

from bars_tf.cost.measures import Cost
from bars_tf.cost.part_costs import CostTables
from bars_tf.space.encoding import Choices, depth_grid


def expected_cost(tables: CostTables, probabilities: Choices, xp: ModuleType = np) -> Any:
    """The mean cost over genotypes whose choices are drawn independently.

    With the probabilities p of widths, q of depths and r of edges, the mean of a sum over layers is

        sum_w p[0, w] stem[w] + sum_w p[-1, w] head[w]
        + sum over cells of P(kept) sum_ab p[s', a] p[s, b] (fixed[a, b] + sum_f E[f] terms[a, b, f])

    where s' and s are the stages of a cell's input and output (a = b within a stage), P(kept) is the probability of the
    depths that keep the cell, and E[f] the expectation of a feature of its topology (see `features`). Memory is the
    largest of the means of stem, cells and head, which is at most the mean of the largest. At one-hot probabilities
    this is the exact cost of the genotype.

    Returns:
        Array by the fields of `Cost`; where `xp` is `tensorflow`, a differentiable tensor.
    """
    space, (widths, depths, edges) = tables.space, probabilities
    # [stages, D, t]: 1 where depth choice d of the stage keeps the t-th cell of its chain.
    kept = (depth_grid(space)[:, :, None] >= np.arange(len(space.cells()) + 1)).astype(np.float64)

    def constant(values):
        return values if xp is np else xp.constant(values, edges.dtype)

    features = tables.features.expected(edges, xp)
    active_cells = xp.einsum("sd,sdt->st", depths, constant(kept))
    means = [xp.einsum("w,wc->c", widths[0], constant(tables.stem)),
             xp.einsum("w,wc->c", widths[space.num_stages - 1], constant(tables.head))]
    for position, fixed, terms in tables.cells:
        costs = constant(fixed) + xp.einsum("f,abfc->abc", features[space.groups.index(position.group)],
                                            constant(terms))
        if position.opens_stage:
            means.append(xp.einsum("a,b,abc->c", widths[position.source_stage], widths[position.stage], costs))
        else:
            diagonal = xp.stack([costs[w, w] for w in range(len(space.width_choices))])
            means.append(active_cells[position.stage, position.depth]
                         * xp.einsum("a,ac->c", widths[position.stage], diagonal))
    total, peak = functools.reduce(operator.add, means), functools.reduce(xp.maximum, [mean[-1] for mean in means])
    return xp.stack([*(total[axis] for axis in range(len(Cost._fields) - 1)), peak])
