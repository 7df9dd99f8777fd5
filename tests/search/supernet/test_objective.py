"""The objective of the arch step."""

import numpy as np
import pytest
from small_spaces import TINY, random_alphas, softmax

from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import PEAK, Cost
from bars_tf.legacy_keras import tf
from bars_tf.search.derivation.optimum import cost_range
from bars_tf.search.supernet import objective
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.encoding import Choices


@pytest.mark.parametrize("budget, expected", [
    (Budget(), 1.0),
    (Budget(bops=50.0), 2.0**1.5),  # exceeded twofold
    (Budget(bops=400.0), 4.0**1.5),  # a quarter is used
    (Budget(bops=50.0, flops=5.0), 4.0**1.5),  # both exceeded
    (Budget(bops=50.0, flops=40.0), 2.0**1.5),  # one exceeded, the other not used
    (Budget(bops=200.0, flops=40.0), 2.0**1.5),  # the nearest counts
    (Budget(bops=200.0, peak_bytes=30.0), 2.0**1.5),  # memory that is kept is no use of the budget
    (Budget(bops=200.0, peak_bytes=10.0), 3.0**1.5),  # memory that is exceeded is
])
def test_cost_factor(budget, expected):
    cost = Cost(*(tf.constant(value, tf.float64) for value in (100.0, 10.0, 0.0, 0.0, 0.0, 0.0, 30.0)))
    assert float(objective.cost_factor(cost, budget, 1.5)) == pytest.approx(expected)


def test_entropies(rng):
    """That of uniform choices is its maximum, that of decided ones 0; depths that do not exist do not count."""
    uniform = Choices(*map(softmax, random_alphas(TINY, rng, 0.0)))
    decided = Choices(*(np.eye(p.shape[-1])[p.argmax(-1)] for p in uniform))
    assert [float(v) for v in objective.relative_entropies(uniform, TINY).values()] == pytest.approx([1, 1, 1])
    assert [float(v) for v in objective.relative_entropies(decided, TINY).values()] == [0, 0, 0]
    random = Choices(*map(softmax, random_alphas(TINY, rng)))
    total = -sum((p * np.log(np.maximum(p, 1e-300))).sum() for p in random)
    assert float(objective.total_entropy(Choices(*map(tf.constant, random)))) == pytest.approx(total)


@pytest.mark.parametrize("limit", [0, 1])
def test_a_budget_of_memory_steers_from_both_sides(limit, rng):
    """Alphas move to the smallest or to the largest networks, as the one or the other is the budget."""
    net = Supernet(TINY, (8, 8, 1), 3, seed=1)
    ends = cost_range(net.tables, PEAK)
    net.compile("adam", tf.keras.optimizers.legacy.Adam(0.1), budget=Budget(peak_bytes=ends[limit]))
    images, labels = tf.constant(rng.normal(size=(8, 8, 8, 1)), tf.float32), tf.constant(rng.integers(0, 3, 8))
    step = tf.function(lambda: (net.arch_step(images, labels), net.search_step.assign_add(1)), autograph=False)
    before = abs(float(net.expected_cost().peak_bytes) - ends[limit])
    for _ in range(30):
        step()
    assert abs(float(net.expected_cost().peak_bytes) - ends[limit]) < 0.5 * before
