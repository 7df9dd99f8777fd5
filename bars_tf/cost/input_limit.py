"""What the limit of a node's inputs (`SearchSpace.max_inputs`) leaves of edges that are drawn independently.

Where a draw gives a node more inputs than it keeps, a random subset of them stays, all with the same probability (our
choice). So probabilities of edges say exactly how many operations a network costs on average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from bars_tf.space.search_space import SearchSpace


def is_limited(space: SearchSpace) -> bool:
    """Whether a node can draw more inputs than it keeps."""
    return space.most_inputs < space.num_nodes


def drawn_fractions(space: SearchSpace, edges: Any) -> Any:
    """The probability [groups, edges] that an edge has a primitive other than "none", before the limit.

    `edges`: probabilities or one-hot rows of primitives [groups, edges, primitives]."""
    none = edges[:, :, space.primitives.index("none")] if "none" in space.primitives else edges[:, :, 0] * 0
    return 1 - none


def kept_fractions(space: SearchSpace, drawn: Any, xp: ModuleType = np) -> Any:
    """The probability [groups, edges] that an edge which was drawn is kept, by the probabilities `drawn` of the others.

    With n further inputs of the same node and M = `max_inputs` it is E[min(1, M / (1 + n))].
    """
    kept = []
    for edge, (_, target) in enumerate(space.edges):
        others = [drawn[:, e] for e, (_, other) in enumerate(space.edges) if other == target and e != edge]
        kept.append(sum(min(1.0, space.most_inputs / (n + 1)) * p for n, p in enumerate(_number(others)))
                    + drawn[:, edge] * 0)
    return xp.stack(kept, axis=1)


def without_input(space: SearchSpace, alive: Sequence[Any], others: Sequence[Any]) -> Any:
    """The probability [groups] that a node keeps no input from any node in `alive`.

    `alive` are the probabilities [groups] that its edges from nodes with inputs are drawn, `others` those of its edges
    from nodes without, which can push the first ones out."""
    limit, dead = space.most_inputs, math.prod(1 - p for p in alive)
    if len(others) >= limit:
        for i, p in enumerate(_number(alive)[1:], start=1):
            for j, q in enumerate(_number(others)[limit:], start=limit):
                dead = dead + p * q * (math.comb(j, limit) / math.comb(i + j, limit))
    return dead


def _number(probabilities):
    """The probability that 0, 1, 2, ... of independent events happen."""
    found = [1.0]
    for p in probabilities:
        found = [a * (1 - p) + b * p for a, b in zip([*found, 0.0], [0.0, *found])]
    return found
