"""Pareto fronts of topologies: for each one worth having, its costs and its log-probability.

A choice is dominated where another costs no more and scores more. Fronts are joined into the front of the whole; a cell
is built up node by node, its states the sets of nodes that have an input. Ours: edges from nodes without inputs make
this no knapsack problem, which solvers take.
"""

from typing import NamedTuple

import numpy as np

from bars_tf.space.search_space import SearchSpace


class Front(NamedTuple):
    """Undominated choices, and what was chosen for each."""

    costs: np.ndarray  # [N, limits]
    scores: np.ndarray  # log-probabilities [N]
    picks: list


NO_LIMITS = np.zeros(0)


def group_front(space: SearchSpace, scores: np.ndarray, costs: np.ndarray | None = None,
                process: np.ndarray = NO_LIMITS, bounds: np.ndarray = NO_LIMITS, process_score: float = 0.0,
                empty: bool = False) -> Front:
    """Returns the front of the topologies of a group, its picks.

    Args:
        scores: log-probabilities [edges, primitives]; edges from nodes without inputs do not count.
        costs: costs [edges, primitives, limits]; None: there are no limits.
        process, process_score: costs [limits] and score that count where any node has an input.
        bounds: the most that a topology may cost [limits].
        empty: whether no node may have an input.
    """
    num_limits = len(process)
    if costs is None:
        costs = np.zeros((*scores.shape, 0))
    states = {frozenset([0]): Front(np.zeros((1, num_limits)), np.zeros(1), [()])}
    for target in range(1, space.num_nodes + 1):
        following: dict[frozenset[int], list[Front]] = {}
        for nodes, front in states.items():
            for has_input, inputs in _node_fronts(space, scores, costs, nodes, target, bounds):
                key = nodes | {target} if has_input else nodes
                following.setdefault(key, []).append(join(front, inputs, bounds))
        states = {key: undominated(*fronts) for key, fronts in following.items()}
    complete = [front if len(nodes) == 1 else Front(front.costs + process, front.scores + process_score, front.picks)
                for nodes, front in states.items() if len(nodes) == 1 or not empty]
    return undominated(*complete) if complete else Front(np.zeros((0, num_limits)), np.zeros(0), [])


def _node_fronts(space: SearchSpace, scores: np.ndarray, costs: np.ndarray, nodes: frozenset[int], target: int,
                 bounds: np.ndarray) -> list[tuple[bool, Front]]:
    """The choices of one node's inputs, with any input and without: (has input, front)."""
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
        by_inputs = {inputs: undominated(*fronts) for inputs, fronts in following.items()}
    results = [(True, undominated(*(f for inputs, f in by_inputs.items() if inputs)))] if any(by_inputs) else []
    results += [(False, by_inputs[0])] if 0 in by_inputs else []
    return [(flag, front._replace(picks=[(pick,) for pick in front.picks])) for flag, front in results]


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
