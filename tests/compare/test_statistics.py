"""The statistics of a comparison, against known answers."""

import itertools

import numpy as np
import pytest
from scipy import stats

from bars_tf.compare import statistics


def test_difference_by_hand():
    one, other = statistics.of_networks([[1], [2], [3], [4], [5]]), statistics.of_networks([[1, 3]] * 5)
    assert one == (3, pytest.approx(2.5 / 5), 4) and other == (2, 0, 4)
    (low, high), p = statistics.difference(one, other)
    half = 2.776445 * np.sqrt(0.5)  # the quantile of Student's t with 4 degrees of freedom
    assert (low, high) == pytest.approx((1 - half, 1 + half)) and p == pytest.approx(0.23019964)
    assert statistics.difference(one, 2.0)[0] == pytest.approx((low, high))
    assert statistics.difference(other, 2.0) == ((0, 0), 1) and statistics.difference(other, 1.5) == ((0.5, 0.5), 0)


def test_difference_is_welchs(rng):
    one, other = rng.normal(size=(5, 1)), rng.normal(0.5, 2, (24, 1))
    welch = stats.ttest_ind(one[:, 0], other[:, 0], equal_var=False)
    interval, p = statistics.difference(statistics.of_networks(one), statistics.of_networks(other))
    assert p == pytest.approx(welch.pvalue) and interval == pytest.approx(tuple(welch.confidence_interval()))


def test_few_networks_have_no_estimate():
    assert statistics.of_networks([[1], [2], [3], [4]]) is None
    assert statistics.of_seeds([1], [[2], [3]]) is None
    # Two degrees of freedom: of the network itself and of another one.
    assert statistics.of_seeds([1, 3], [[5, 5], [6]]) == (2, pytest.approx((2 + 0) / 2 / 2), 2)


@pytest.mark.parametrize("seed_spread, spread, random_spread", [(0.5, 0.3, 1.0), (0.4, 1.0, 1.0), (0.7, 0.0, 0.5)])
def test_intervals_cover_the_difference_in_95_percent(rng, seed_spread, spread, random_spread):
    """5 searches of 2 trainings, against 24 random networks of 1 and against one network of 2 trainings."""
    def networks(count, seeds, between):
        return rng.normal(size=(count, 1)) * between + rng.normal(size=(count, seeds)) * seed_spread

    covered = []
    for _ in range(2000):
        searched, randoms, baseline = networks(5, 2, spread), networks(24, 1, random_spread), networks(1, 2, 0)[0]
        one = statistics.of_networks(searched)
        intervals = [statistics.difference(one, other)[0] for other in (
            statistics.of_networks(randoms), statistics.of_seeds(baseline, [*searched, *randoms]))]
        covered.append([low < 0 < high for low, high in intervals])
    assert np.all((np.mean(covered, 0) > 0.93) & (np.mean(covered, 0) < 0.97)), np.mean(covered, 0)


def test_jackknife_error_of_a_mean(rng):
    values = rng.normal(size=12)
    assert statistics.jackknife_error(lambda i: values[i].mean(), 12) == pytest.approx(values.std(ddof=1) / np.sqrt(12))


def test_spreads():
    group = [[1.0, 3.0], [5.0, 5.0], [6.0]]
    assert statistics.seed_spread(group) == pytest.approx(1)  # squares 1 + 1 + 0 over 2 degrees of freedom
    total, left = statistics.architecture_spread(group)
    assert total == pytest.approx(np.sqrt(7)) and left == pytest.approx(np.sqrt(6))
    assert statistics.seed_spread([[1], [2]]) is None and statistics.architecture_spread([[1, 2]]) == (None, None)
    assert statistics.architecture_spread([[1.0], [2.0]])[1] is None


def test_kendall_tau_by_hand(rng):
    for one, other, tau in (([1, 2, 3, 4], [10, 20, 30, 40], 1), ([1, 2, 3, 4], [4, 3, 2, 1], -1),
                            ([1, 2, 3, 4], [1, 3, 2, 4], (5 - 1) / 6),
                            ([1, 1, 2, 3], [1, 2, 3, 4], 5 / np.sqrt(5 * 6))):  # one pair is tied
        assert statistics.kendall_tau(one, other)[0] == pytest.approx(tau)
    assert statistics.kendall_tau([1, 1, 1], [1, 2, 3]) == (None, None)
    assert statistics.kendall_tau([1, 2, 3, 4], [10, 20, 30, 40])[1] == 0


def test_error_of_tau_is_its_spread_between_samples(rng):
    """Of 30 items, against the standard deviation over many samples."""
    samples = [rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 30).T for _ in range(200)]
    found = np.array([statistics.kendall_tau(*sample) for sample in samples])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.2)


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
