"""Pareto fronts against brute force, without alphas, budgets or tables."""

import itertools

import numpy as np
import pytest

from bars_tf.cost.features import Features
from bars_tf.search.derivation.optimum import edge_scores
from bars_tf.search.derivation.pareto import Front, group_front, join, undominated, undominated_indices
from bars_tf.space.presets import BARS_PAPER

SPACE = BARS_PAPER.replace(layout="N", num_nodes=2, primitives=("none", "skip", "bin_conv_3x3"))


def brute_force(points):
    """The (costs, score) that no other one dominates; of equal ones one."""
    points = set(points)
    return {(costs, score) for costs, score in points
            if not any(other != (costs, score) and other[1] >= score and all(a <= b for a, b in zip(other[0], costs))
                       for other in points)}


def points_of(costs, scores):
    """Rounded, so that sums in another order are equal."""
    return [(tuple(np.round(c, 9)), round(float(s), 9)) for c, s in zip(costs, scores)]


@pytest.mark.parametrize("num_limits", [0, 1, 2, 3])
@pytest.mark.parametrize("values", [4, 1000])  # few values: many are equal
def test_undominated(num_limits, values, rng):
    for _ in range(20):
        costs, scores = rng.integers(values, size=(30, num_limits)), rng.integers(values, size=30)
        kept = undominated_indices(costs, scores)
        found = points_of(costs[kept], scores[kept])
        assert len(found) == len(set(found)) and set(found) == brute_force(points_of(costs, scores))
        assert list(scores[kept]) == sorted(scores[kept], reverse=True)


def test_joined_fronts_are_the_front_of_all_pairs_within_the_bounds(rng):
    a, b = (Front(rng.random((12, 2)), rng.random(12), [(i,) for i in range(12)]) for _ in range(2))
    bounds = np.array([1.0, 1.2])
    front = join(undominated(a), undominated(b), bounds)
    pairs = [(a.costs[i] + b.costs[j], a.scores[i] + b.scores[j]) for i, j in itertools.product(range(12), repeat=2)]
    expected = brute_force(points_of(*zip(*(pair for pair in pairs if (pair[0] <= bounds).all()))))
    assert set(points_of(front.costs, front.scores)) == expected
    for (i, j), costs, score in zip(front.picks, front.costs, front.scores):
        np.testing.assert_allclose([*costs, score], [*(a.costs[i] + b.costs[j]), a.scores[i] + b.scores[j]])


@pytest.mark.parametrize("changes", [{}, {"num_nodes": 3}, {"primitives": ("skip", "bin_conv_3x3")},
                                     {"num_nodes": 3, "max_inputs": 1}], ids=str)
@pytest.mark.parametrize("bound", [9.0, 0.8])  # an edge
def test_the_front_of_a_group_is_brute_force(changes, bound, rng):
    """With two limits; edges from nodes without inputs neither cost nor score, others share some of their costs."""
    space = SPACE.replace(**changes)
    features = Features(space, ((0, frozenset([space.primitives.index("bin_conv_3x3")])),
                                (1, frozenset([1, space.primitives.index("bin_conv_3x3")]))))
    num_edges = len(space.edges)
    bounds, shape = np.full(2, bound * num_edges), (num_edges, len(space.primitives))
    scores, terms = rng.random(shape) - 1, rng.random((features.size, 2))
    terms[features.num_edges:] *= 0.3
    topologies = {}
    for names in itertools.product(space.primitives, repeat=num_edges):
        alive, total, score, topology, chosen = {0}, np.zeros(2), 0.0, [], []
        for target in range(1, space.num_nodes + 1):
            edges = [(source, space.edges.index((source, target))) for source in range(target) if source in alive]
            for _, edge in edges:
                k = space.primitives.index(names[edge])
                score += scores[edge, k]
                if names[edge] == "none":
                    total = total + terms[edge * len(space.primitives) + k]
                else:
                    chosen.append((edge, k))
            topology.append(tuple((source, names[edge]) for source, edge in edges if names[edge] != "none"))
            alive |= {target} if topology[-1] else set()
        if max(map(len, topology)) <= space.most_inputs:
            topologies[tuple(topology)] = total + features.of(chosen) @ terms, score
    assert (bound < 1) == any((found[0] > bounds).any() for found in topologies.values())
    within = [found for found in topologies.values() if (found[0] <= bounds).all()]
    # Some costs are added behind the bounds: the caller, who joins fronts of groups, checks again.
    front = group_front(features, edge_scores(scores, features), terms, bounds)
    keep = np.all(front.costs <= bounds, axis=1)
    assert set(points_of(front.costs[keep], front.scores[keep])) == brute_force(points_of(*zip(*within)))
    for topology, total, score in zip(front.picks, front.costs, front.scores):
        np.testing.assert_allclose([*total, score], [*topologies[topology][0], topologies[topology][1]])


def test_a_group_without_edges(rng):
    scores = rng.random((len(SPACE.edges), len(SPACE.primitives)))
    features = Features(SPACE)
    front = group_front(features, edge_scores(scores, features), empty=True)
    assert front.picks == [((), ())] and front.scores == pytest.approx([scores[[0, 1], 0].sum()])
    without_none = SPACE.replace(primitives=("skip", "bin_conv_3x3"))
    features = Features(without_none)
    assert not group_front(features, edge_scores(scores[:, :2], features), empty=True).picks
