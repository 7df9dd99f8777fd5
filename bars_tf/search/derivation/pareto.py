"""Pareto fronts of topologies: for each one worth having, its costs and its log-probability.

A choice is dominated where another costs no more and scores more. Fronts are joined into the front of the whole; a cell
is built up source by source, its states the numbers of inputs that the nodes have so far. What the edges that leave a
node share is paid for when all of them are chosen. Ours: edges from nodes without inputs make this no knapsack problem,
which solvers take.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from bars_tf.cost import input_limit
from bars_tf.cost.features import Features


class Front(NamedTuple):
    """Undominated choices, and what was chosen for each."""

    costs: np.ndarray  # [N, limits]
    scores: np.ndarray  # log-probabilities [N]
    picks: list


NO_LIMITS = np.zeros(0)


def group_front(features: Features, scores: np.ndarray, terms: np.ndarray | None = None,
                bounds: np.ndarray = NO_LIMITS, empty: bool = False) -> Front:
    """Returns the front of the topologies of a group, its picks.

    Args:
        scores: of every feature of a topology [features]: log-probabilities of primitives on edges, else 0 as a rule.
            Of "none" too, on an edge from a node that has an input.
        terms: costs of every feature [features, limits], below 0 at most of numbers of nodes; None: no limits.
        bounds: the most that a topology may cost [limits].
        empty: whether no node may have an input.
    """
    return _Group(features, scores, np.zeros((len(scores), 0)) if terms is None else terms, bounds).front(empty)


# How many inputs each node has so far, at most as many as make a difference; and the readers of the current source
# that are paid for.
Counts = tuple[int, ...]
State = tuple[Counts, frozenset[int]]


class _Group:
    def __init__(self, features: Features, scores: np.ndarray, terms: np.ndarray, bounds: np.ndarray):
        self.features, self.space = features, features.space
        space = self.space
        self.scores, self.terms = scores, terms
        # A cell with edges may cost less than its edges by themselves: the process convolution can write signs.
        self.bounds = bounds
        if len(bounds):
            self.bounds = bounds - np.minimum(terms[features.num_edges:features.further].min(0), 0)
        self.limited = input_limit.is_limited(space)
        self.most = space.most_inputs if self.limited else 1  # without a limit, 1 stands for one or more
        self._options = functools.cache(self._options_of)
        first = features.further + 1
        # By source, the readers that cost anything: index of the feature, primitives.
        self.readers: list[list[tuple[int, frozenset[int]]]] = [[] for _ in range(space.num_nodes)]
        for i, (source, primitives) in enumerate(features.readers, start=first):
            if scores[i] or terms[i].any():
                self.readers[source].append((i, primitives))

    def front(self, empty: bool) -> Front:
        space, num_limits = self.space, self.terms.shape[1]
        states = {(0,) * space.num_nodes: Front(np.zeros((1, num_limits)), np.zeros(1), [()])}
        for source in range(space.num_nodes):
            following: dict[Counts, list[Front]] = {}
            for counts, front in states.items():
                if source and not counts[source - 1]:
                    following.setdefault(counts, []).append(front)
                    continue
                for (after, paid), found in self._leaving(source, counts, front).items():
                    # The node behind the source has all its inputs: only whether it has any still makes a difference.
                    complete_node = min(after[source], 1)
                    following.setdefault((*after[:source], complete_node, *after[source + 1:]), []).append(
                        self._with(found, sorted(paid)))
            states = _merged(following)
        complete = []
        for counts, front in states.items():
            alive = sum(map(bool, counts))
            if not alive or not empty:
                complete.append(self._with(front, [self.features.num_edges + alive - 1] if alive else []))
        if not complete:
            return Front(np.zeros((0, num_limits)), np.zeros(0), [])
        found = undominated(*complete)
        return found._replace(picks=[self._topology(pick) for pick in found.picks])

    def _leaving(self, source: int, counts: Counts, front: Front) -> dict[State, Front]:
        """The choices of all edges that leave a node that has an input, behind those of a front."""
        states: dict[State, Front] = {(counts, frozenset()): front}
        for target in range(source + 1, self.space.num_nodes + 1):
            following: dict[State, list[Front]] = {}
            for (before, paid), found in states.items():
                for (more, pays), options in self._options(source, target, bool(before[target - 1])).items():
                    if more and self.limited and before[target - 1] == self.most:
                        continue
                    after = list(before)
                    after[target - 1] = min(after[target - 1] + more, self.most)
                    following.setdefault((tuple(after), paid | pays), []).append(join(found, options, self.bounds))
            states = _merged(following)
        return states

    def _options_of(self, source: int, target: int, further: bool) -> dict[tuple[int, frozenset[int]], Front]:
        """The primitives of an edge, by the inputs that they add (0 or 1) and the readers that they need."""
        space, edge = self.space, self.space.edges.index((source, target))
        by_kind: dict[tuple[int, frozenset[int]], list[int]] = {}
        for k, name in enumerate(space.primitives):
            readers = frozenset(i for i, primitives in self.readers[source] if k in primitives)
            by_kind.setdefault((int(name != "none"), readers), []).append(k)
        found = {}
        for (more, readers), primitives in by_kind.items():
            places = [edge * len(space.primitives) + k for k in primitives]
            also = self.features.further if further and more else None
            costs, scores = self.terms[places], self.scores[places]
            if also is not None:
                costs, scores = costs + self.terms[also], scores + self.scores[also]
            picks = [((source, target, space.primitives[k]),) if more else () for k in primitives]
            found[more, readers] = Front(costs, scores, picks)
        return found

    def _with(self, front: Front, places: list[int]) -> Front:
        """A front with the costs and scores of further features."""
        return front._replace(costs=front.costs + self.terms[places].sum(0),
                              scores=front.scores + self.scores[places].sum()) if places else front

    def _topology(self, picks: tuple) -> tuple:
        return tuple(tuple((source, name) for source, to, name in picks if to == target)
                     for target in range(1, self.space.num_nodes + 1))


def _merged(fronts: dict[Any, list[Front]]) -> dict[Any, Front]:
    """The undominated choices of each state, from fronts that lead to it."""
    return {state: undominated(*found) if found[1:] else found[0] for state, found in fronts.items()}


def join(a: Front, b: Front, bounds: np.ndarray) -> Front:
    """Returns the undominated pairs of a and b within the bounds [limits]; their picks are concatenated."""
    costs = (a.costs[:, None] + b.costs[None]).reshape(len(a.scores) * len(b.scores), a.costs.shape[1])
    scores = (a.scores[:, None] + b.scores[None]).reshape(-1)
    keep = np.flatnonzero(np.all(costs <= bounds, axis=1)) if len(bounds) else np.arange(len(scores))
    keep = keep[undominated_indices(costs[keep], scores[keep])]
    width = len(b.scores)
    return Front(costs[keep], scores[keep], [a.picks[i // width] + b.picks[i % width] for i in keep])


def undominated(*fronts: Front) -> Front:
    """Returns the undominated choices of several fronts."""
    costs, scores = np.concatenate([f.costs for f in fronts]), np.concatenate([f.scores for f in fronts])
    picks = [pick for front in fronts for pick in front.picks]
    keep = undominated_indices(costs, scores)
    return Front(costs[keep], scores[keep], [picks[i] for i in keep])


def undominated_indices(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns the indices, by falling score, for which no other has a higher score [N] at no higher costs [N, limits].

    Of equal choices it returns one.
    """
    order = np.lexsort((*costs.T[::-1], -scores))
    if costs.shape[1] <= 1:  # the cheaper ones than all with higher scores
        ordered = costs[order].sum(1)
        return order[np.append(np.inf, np.minimum.accumulate(ordered)[:-1])[:len(order)] > ordered]
    kept: list[int] = []
    frontier = np.empty((0, costs.shape[1]))
    for i in order:
        if not np.any(np.all(frontier <= costs[i], axis=1)):
            kept.append(i)
            frontier = np.vstack([frontier, costs[i]])
    return np.array(kept, dtype=int)
