"""The statistics of a comparison, against known answers."""

import itertools

import numpy as np
import pytest

from bars_tf.compare import statistics as significance


def test_permutation_by_hand():
    # Of the 20 ways to choose 3 of 6 values these two are the extreme ones.
    assert significance.permutation_p([4, 5, 6], [1, 2, 3]) is None  # 2 of 20 is all that could be had
    assert significance.permutation_p([5, 6, 7, 8], [1, 2, 3, 4]) == pytest.approx(2 / 70)
    # 1 of 21 in the one direction; and no other difference of means is as large in the other one.
    assert significance.permutation_p([9, 9], [1, 2, 3, 4, 5]) == pytest.approx(1 / 21)
    assert significance.permutation_p([3] * 4, [3] * 4) == 1
    assert significance.permutation_p([1], [2]) is None and significance.permutation_p([], [2]) is None


def test_permutation_of_3_against_24_is_exact_and_drawn_ones_agree(rng, monkeypatch):
    one, other = rng.normal(1.0, 1, 3), rng.normal(0, 1, 24)
    values = np.concatenate([one, other])
    found = [abs(values[list(rows)].mean() - np.delete(values, rows).mean())
             for rows in itertools.combinations(range(27), 3)]
    exact = np.mean(np.array(found) >= found[0] - 1e-12)
    assert significance.permutation_p(one, other) == pytest.approx(exact)
    monkeypatch.setattr(significance, "MOST_ARRANGEMENTS", 2924)
    assert significance.permutation_p(one, other) == pytest.approx(exact, abs=0.03)


def test_permutation_keeps_its_level(rng):
    """Under equal distributions p <= 0.05 comes up in 5 % of the cases."""
    low = [significance.permutation_p(rng.normal(size=3), rng.normal(size=10)) <= 0.05 for _ in range(400)]
    assert 0.02 < np.mean(low) < 0.09


def test_bootstrap_draws_clusters(rng):
    # Two seeds of one genotype are not two genotypes: clusters of equal means leave nothing to draw.
    assert significance.bootstrap_interval([[1, 3], [0, 4]], [[1], [1]]) == (1, 1)
    low, high = significance.bootstrap_interval(rng.normal(2, 1, (200, 2)), rng.normal(0, 1, (200, 1)))
    assert low < 2 < high and high - low == pytest.approx(2 * 1.96 * np.sqrt(0.5 / 200 + 1 / 200), rel=0.25)
    assert significance.bootstrap_interval([[1], [2]], 1.5) == (-0.5, 0.5)
    assert significance.bootstrap_interval([[1, 2]], [[1], [2]]) is None


def test_spreads():
    group = [[1.0, 3.0], [5.0, 5.0], [6.0]]
    assert significance.seed_spread(group) == pytest.approx(1)  # squares 1 + 1 + 0 over 2 degrees of freedom
    total, left = significance.architecture_spread(group)
    assert total == pytest.approx(np.sqrt(7)) and left == pytest.approx(np.sqrt(6))
    assert significance.seed_spread([[1], [2]]) is None and significance.architecture_spread([[1, 2]]) == (None, None)
    assert significance.architecture_spread([[1.0], [2.0]])[1] is None


def test_kendall_tau_by_hand():
    assert significance.kendall_tau([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert significance.kendall_tau([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    assert significance.kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx((5 - 1) / 6)
    assert significance.kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(2 * 3))  # one pair is tied
    assert significance.kendall_tau([1, 1, 1], [1, 2, 3]) is None


@pytest.mark.parametrize("validation", [[3, 1, 2, 5, 4], [1, 1, 2, 2, 2]])
def test_best_of_is_the_mean_over_all_subsets(validation):
    test = [0.1, 0.9, 0.4, 0.7, 0.3]
    for size in range(1, 6):
        found = []
        for rows in itertools.combinations(range(5), size):
            best = max(validation[i] for i in rows)
            found.append(np.mean([test[i] for i in rows if validation[i] == best]))
        # Ties are shared among all networks of that accuracy, those not drawn too: the same in the mean.
        assert significance.best_of(validation, test, size) == pytest.approx(np.mean(found))
    with pytest.raises(ValueError, match="from 1 to 5"):
        significance.best_of(validation, test, 6)
