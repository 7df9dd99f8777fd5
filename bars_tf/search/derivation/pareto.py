"""Undominated choices: for each topology worth having, its cost and its score.

A choice is dominated where another costs no more and scores more. Fronts of parts are joined into the front of the
whole; a cell is built up node by node, keeping apart which nodes have an input.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Front(NamedTuple):
    """Undominated ways to choose: costs [N, limits], log-probabilities [N], and what was chosen."""

    costs: np.ndarray
    scores: np.ndarray
    picks: list


NO_LIMITS = np.zeros(0)


def group_front(space, scores, costs=None, process=NO_LIMITS, bounds=NO_LIMITS, process_score=0.0,
                empty=False) -> Front:
    """The undominated topologies of a group.

    Args:
        scores: [edges, primitives]; edges from nodes without inputs do not count.
        costs: [edges, primitives, limits]; None: there are no limits.
        process: [limits], and `process_score`: counted where any node has an input.
        empty: whether no node may have one.
    """
    num_limits = len(process)
    if costs is None:
        costs = np.zeros((*scores.shape, 0))
    states = {frozenset([0]): Front(np.zeros((1, num_limits)), np.zeros(1), [()])}
    for target in range(1, space.num_nodes + 1):
        following: dict[frozenset, list[Front]] = {}
        for nodes, front in states.items():
            for has_input, part in _node_fronts(space, scores, costs, nodes, target, bounds):
                joined = join(front, part, bounds)
                key = nodes | {target} if has_input else nodes
                following.setdefault(key, []).append(joined)
        states = {key: _undominated(_concatenate(fronts)) for key, fronts in following.items()}
    complete = []
    for nodes, front in states.items():
        if len(nodes) > 1 and empty:
            continue
        if len(nodes) > 1:
            front = front._replace(costs=front.costs + process, scores=front.scores + process_score)
        complete.append(front)
    if not complete:
        return Front(np.zeros((0, num_limits)), np.zeros(0), [])
    return _undominated(_concatenate(complete))


def _node_fronts(space, scores, costs, nodes, target, bounds):
    """The choices of one node's inputs, without any input and with one or more: (has input, front)."""
    none = space.primitives.index("none") if "none" in space.primitives else None
    some = [k for k in range(len(space.primitives)) if k != none]
    limited = space.most_inputs < space.num_nodes
    most = space.most_inputs if limited else 1  # without a limit, 1 stands for one or more
    by_inputs = {0: Front(np.zeros((1, costs.shape[-1])), np.zeros(1), [()])}
    for source in sorted(nodes):
        edge = space.edges.index((source, target))
        options = Front(costs[edge, some], scores[edge, some], [((source, space.primitives[k]),) for k in some])
        following: dict[int, list[Front]] = {}
        for inputs, front in by_inputs.items():
            if none is not None:
                without = Front(costs[edge, [none]], scores[edge, [none]], [()])
                following.setdefault(inputs, []).append(join(front, without, bounds))
            if inputs < most or not limited:
                following.setdefault(min(inputs + 1, most), []).append(join(front, options, bounds))
        by_inputs = {inputs: _undominated(_concatenate(fronts)) for inputs, fronts in following.items()}
    results = []
    if any(by_inputs):
        results.append((True, _undominated(_concatenate([f for inputs, f in by_inputs.items() if inputs]))))
    if 0 in by_inputs:
        results.append((False, by_inputs[0]))
    return [(flag, front._replace(picks=[(pick,) for pick in front.picks])) for flag, front in results]


def join(a: Front, b: Front, bounds: np.ndarray) -> Front:
    """All pairs of a and b within the bounds, undominated ones only; picks are concatenated."""
    costs = (a.costs[:, None] + b.costs[None]).reshape(len(a.scores) * len(b.scores), a.costs.shape[1])
    scores = (a.scores[:, None] + b.scores[None]).reshape(-1)
    keep = np.flatnonzero(np.all(costs <= bounds, axis=1)) if len(bounds) else np.arange(len(scores))
    keep = keep[_undominated_indices(costs[keep], scores[keep])]
    width = len(b.scores)
    return Front(costs[keep], scores[keep], [a.picks[i // width] + b.picks[i % width] for i in keep])


def _concatenate(fronts: list[Front]) -> Front:
    return Front(np.concatenate([f.costs for f in fronts]), np.concatenate([f.scores for f in fronts]),
                  [pick for f in fronts for pick in f.picks])


def _undominated(front: Front) -> Front:
    keep = _undominated_indices(front.costs, front.scores)
    return Front(front.costs[keep], front.scores[keep], [front.picks[i] for i in keep])


def _undominated_indices(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Indices for which no other has a higher score at no higher cost."""
    order = np.lexsort((*costs.T[::-1], -scores)) if costs.shape[1] else np.argsort(-scores, kind="stable")
    kept: list[int] = []
    if costs.shape[1] <= 1:
        lowest = np.inf
        for i in order:
            cost = costs[i, 0] if costs.shape[1] else 0.0
            if cost < lowest:
                kept.append(i)
                lowest = cost
        return np.array(kept, dtype=int)
    frontier = np.empty((0, costs.shape[1]))
    for i in order:
        if not np.any(np.all(frontier <= costs[i], axis=1)):
            kept.append(i)
            frontier = np.vstack([frontier, costs[i]])
    return np.array(kept, dtype=int)
