"""The statistics of a comparison, against known answers."""

import itertools

import numpy as np
import pytest

from bars_tf.compare import statistics


def test_permutation_by_hand():
    # The smallest possible p of 3 and 3 values is 2 of 20 divisions.
    assert statistics.permutation_p([4, 5, 6], [1, 2, 3]) is None
    assert statistics.permutation_p([5, 6, 7, 8], [1, 2, 3, 4]) == pytest.approx(2 / 70)
    # 1 of 21 divisions: in the other direction no difference of means is as large.
    assert statistics.permutation_p([9, 9], [1, 2, 3, 4, 5]) == pytest.approx(1 / 21)
    assert statistics.permutation_p([3] * 4, [3] * 4) == 1
    assert statistics.permutation_p([1], [2]) is None and statistics.permutation_p([], [2]) is None


def test_permutation_of_3_against_24_is_exact_and_drawn_ones_agree(rng, monkeypatch):
    one, other = rng.normal(1.0, 1, 3), rng.normal(0, 1, 24)
    values = np.concatenate([one, other])
    found = [abs(values[list(rows)].mean() - np.delete(values, rows).mean())
             for rows in itertools.combinations(range(27), 3)]
    exact = np.mean(np.array(found) >= found[0] - 1e-12)
    assert statistics.permutation_p(one, other) == pytest.approx(exact)
    monkeypatch.setattr(statistics, "MAX_PERMUTATIONS", 2924)
    assert statistics.permutation_p(one, other) == pytest.approx(exact, abs=0.03)


def test_permutation_keeps_its_level(rng):
    """Under equal distributions, p is at most 0.05 in 5 % of the cases."""
    low = [statistics.permutation_p(rng.normal(size=3), rng.normal(size=10)) <= 0.05 for _ in range(400)]
    assert 0.02 < np.mean(low) < 0.09


def test_bootstrap_draws_clusters(rng):
    # Two seeds of one genotype are one cluster: between clusters of equal means there is no variance.
    assert statistics.bootstrap_interval([[1, 3], [0, 4]], [[1], [1]]) == (1, 1)
    low, high = statistics.bootstrap_interval(rng.normal(2, 1, (200, 2)), rng.normal(0, 1, (200, 1)))
    assert low < 2 < high and high - low == pytest.approx(2 * 1.96 * np.sqrt(0.5 / 200 + 1 / 200), rel=0.25)
    assert statistics.bootstrap_interval([[1], [2]], 1.5) == (-0.5, 0.5)
    assert statistics.bootstrap_interval([[1, 2]], [[1], [2]]) is None


def test_bootstrap_of_a_seed_stays_the_same(rng):
    """Published intervals are those of NumPy's generator with seed 0: scipy has to draw as it does."""
    one, other = rng.normal(size=(3, 2)), rng.normal(size=(24, 1))
    draws = np.random.default_rng(0)
    means = [group.mean(1)[draws.integers(len(group), size=(10_000, len(group)))].mean(1) for group in (one, other)]
    expected = np.quantile(means[0] - means[1], (0.025, 0.975))
    assert statistics.bootstrap_interval(one, other) == pytest.approx(expected)


def test_spreads():
    group = [[1.0, 3.0], [5.0, 5.0], [6.0]]
    assert statistics.seed_spread(group) == pytest.approx(1)  # squares 1 + 1 + 0 over 2 degrees of freedom
    total, left = statistics.architecture_spread(group)
    assert total == pytest.approx(np.sqrt(7)) and left == pytest.approx(np.sqrt(6))
    assert statistics.seed_spread([[1], [2]]) is None and statistics.architecture_spread([[1, 2]]) == (None, None)
    assert statistics.architecture_spread([[1.0], [2.0]])[1] is None


def test_kendall_tau_by_hand():
    assert statistics.kendall_tau([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert statistics.kendall_tau([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    assert statistics.kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx((5 - 1) / 6)
    assert statistics.kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(2 * 3))  # one pair is tied
    assert statistics.kendall_tau([1, 1, 1], [1, 2, 3]) is None


@pytest.mark.parametrize("validation", [[3, 1, 2, 5, 4], [1, 1, 2, 2, 2]])
def test_best_of_is_the_mean_over_all_subsets(validation):
    test = [0.1, 0.9, 0.4, 0.7, 0.3]
    for size in range(1, 6):
        found = []
        for rows in itertools.combinations(range(5), size):
            best = max(validation[i] for i in rows)
            found.append(np.mean([test[i] for i in rows if validation[i] == best]))
        # In `best_of`, all networks of equal accuracy share its chance, drawn or not: the same expectation.
        assert statistics.best_of(validation, test, size) == pytest.approx(np.mean(found))
    with pytest.raises(ValueError, match="from 1 to 5"):
        statistics.best_of(validation, test, 6)
