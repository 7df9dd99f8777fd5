"""Of what the cost of a cell is a sum: numbers that describe the topology of a group of cells, and their expectations.

Beside each primitive on each edge from a node that has an input, costs depend on a topology by

- the number n of nodes that have an input: a process convolution, concatenation or sum of the nodes, where n > 0;
- the inputs of nodes beyond the first of each: every one is an addition;
- what edges share that leave one node: its signs, say, which all binary convolutions read; *readers* are a source node
  and the primitives of which any brings the shared cost with it.

Each feature is 0 or 1, but for the number of further inputs. Choices are independent, so that the expectation of each
has a closed form, or a sum over the sets of nodes that have inputs, and the expected cost is exact.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from bars_tf.cost import input_limit
from bars_tf.space.search_space import SearchSpace

Readers = tuple[int, frozenset[int]]  # a source node, and indices of primitives on the edges that leave it


@dataclasses.dataclass(frozen=True)
class Features:
    """The features of the topologies of a space, in the order of the last axis but one of a cell's `terms`: primitives
    on edges [edges * primitives], n = 1, 2, ... nodes with inputs [nodes], further inputs [1], readers."""

    space: SearchSpace
    readers: tuple[Readers, ...] = ()

    @functools.cached_property
    def num_edges(self) -> int:
        return len(self.space.edges) * len(self.space.primitives)

    @functools.cached_property
    def further(self) -> int:
        """Index of the number of further inputs."""
        return self.num_edges + self.space.num_nodes

    @functools.cached_property
    def size(self) -> int:
        return self.further + 1 + len(self.readers)

    def of(self, chosen: Sequence[tuple[int, int]]) -> np.ndarray:
        """The features [size] of chosen edges, each from a node that has an input, as (edge, primitive) indices."""
        found = np.zeros(self.size)
        if chosen:
            edges, per_edge = self._edges, len(self.space.primitives)
            alive = len({edges[edge][1] for edge, _ in chosen})
            found[[edge * per_edge + primitive for edge, primitive in chosen]] = 1
            found[self.num_edges + alive - 1], found[self.further] = 1, len(chosen) - alive
            leaving: dict[int, set[int]] = {}
            for edge, primitive in chosen:
                leaving.setdefault(edges[edge][0], set()).add(primitive)
            for i, (source, primitives) in enumerate(self.readers, start=self.further + 1):
                found[i] = source in leaving and not primitives.isdisjoint(leaving[source])
        return found

    @functools.cached_property
    def _edges(self) -> tuple[tuple[int, int], ...]:
        return self.space.edges

    def expected(self, edges: Any, xp: ModuleType = np) -> Any:
        """The expected features [groups, size], from probabilities of primitives [groups, edges, primitives] of any
        number of groups; where `xp` is `tensorflow`, a differentiable tensor. The limit of inputs is that of
        `input_limit`.

        The sets of nodes that have inputs are enumerated: at most 2 ** num_nodes of them.
        """
        space, zeros = self.space, edges[:, 0, 0] * 0
        drawn = input_limit.drawn_fractions(space, edges)
        states = {frozenset([0]): zeros + 1}  # set of nodes with inputs -> its probability [groups]
        alive = [zeros + 1]
        for target in range(1, space.num_nodes + 1):
            following, alive_target = {}, zeros
            for nodes, probability in states.items():
                inputs = {source: drawn[:, space.edges.index((source, target))] for source in range(target)}
                dead = probability * input_limit.without_input(
                    space, [inputs.pop(source) for source in sorted(nodes)], list(inputs.values()))
                following[nodes] = dead
                following[nodes | {target}] = probability - dead
                alive_target = alive_target + probability - dead
            states = following
            alive.append(alive_target)
        if input_limit.is_limited(space):
            kept = input_limit.kept_fractions(space, drawn, xp)
            edges, drawn = edges * kept[:, :, None], drawn * kept
        source_alive = xp.stack([alive[source] for source, _ in space.edges], axis=1)
        active = source_alive[:, :, None] * edges
        counts = [sum((p for nodes, p in states.items() if len(nodes) == n + 1), zeros)
                  for n in range(1, space.num_nodes + 1)]
        further = sum((alive[source] * drawn[:, e] for e, (source, _) in enumerate(space.edges)), zeros) - sum(
            alive[1:], zeros)
        shared = [alive[source] * (1 - math.prod(
            1 - sum(edges[:, e, k] for k in sorted(primitives))
            for e, (other, _) in enumerate(space.edges) if other == source)) for source, primitives in self.readers]
        rest = xp.stack([*counts, further, *shared], axis=1)
        return xp.concat([xp.reshape(active, (-1, self.num_edges)), rest], 1) if xp is not np else np.concatenate(
            [active.reshape(len(active), -1), rest], axis=1)
