"""Statistics of differences between accuracies: permutation test, bootstrap, spreads, rank correlation.

A group of networks is a list of clusters. A cluster holds the accuracies of one genotype, one for each training seed.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

Cluster = Sequence[float]
LEVEL = 0.05
MAX_PERMUTATIONS = 100_000
RESAMPLES = 10_000


def means(group: Sequence[Cluster]) -> list[float]:
    """The mean of each cluster."""
    return [float(np.mean(cluster)) for cluster in group]


def permutation_p(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Two-sided p-value of a difference of means, by a permutation test.

    It is the fraction of all divisions of the values into groups of these sizes whose absolute difference of means is
    at least the observed one. Beyond 100,000 divisions, as many random ones are evaluated, with a fixed seed. The
    values are to be independent, such as the mean accuracies of networks.

    Returns: the p-value; None if no division of so few values could have one of 0.05 or less.
    Source: Fisher, The Design of Experiments (1935), section 21.
    """
    size, total = len(one), len(one) + len(other)
    # In groups of equal size each division comes twice.
    if not size or size == total or (2 if 2 * size == total else 1) / math.comb(total, size) > LEVEL:
        return None

    def difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(a.mean(axis) - b.mean(axis)).round(12)  # values that differ by rounding alone are equal

    return float(stats.permutation_test((one, other), difference, alternative="greater", vectorized=True,
                                        n_resamples=MAX_PERMUTATIONS, rng=np.random.default_rng(0)).pvalue)


def bootstrap_interval(one: Sequence[Cluster], other: Sequence[Cluster] | float) -> tuple[float, float] | None:
    """95 % percentile interval of the mean of cluster means in `one` minus that in `other`.

    Clusters are drawn with replacement, with a fixed seed; a number as `other` counts as exact. From few clusters the
    interval is too narrow.

    Returns: lower and upper end; None if a group has fewer than two clusters.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    fixed = isinstance(other, (int, float))
    samples = [means(group) for group in ([one] if fixed else [one, other])]
    if min(map(len, samples)) < 2:
        return None

    def difference(a: np.ndarray, b: np.ndarray | None = None, axis: int = -1) -> np.ndarray:
        return a.mean(axis) - (other if b is None else b.mean(axis))

    low, high = stats.bootstrap(samples, difference, n_resamples=RESAMPLES, vectorized=True, method="percentile",
                                confidence_level=1 - LEVEL, rng=np.random.default_rng(0)).confidence_interval
    return float(low), float(high)


def seed_spread(group: Sequence[Cluster]) -> float | None:
    """Standard deviation between training seeds of one network, pooled over the networks that have several."""
    repeated = [np.array(cluster, float) for cluster in group if len(cluster) > 1]
    if not repeated:
        return None
    squares = sum(((cluster - cluster.mean()) ** 2).sum() for cluster in repeated)
    return float(math.sqrt(squares / sum(len(cluster) - 1 for cluster in repeated)))


def architecture_spread(group: Sequence[Cluster]) -> tuple[float | None, float | None]:
    """Standard deviation between networks of one training each.

    Returns: the standard deviation of the first accuracies of the clusters, and the square root of its variance minus
    that between seeds (0 if the latter is larger). Each is None if there are too few networks or seeds.
    """
    if len(group) < 2:
        return None, None
    total, seeds = float(np.std([cluster[0] for cluster in group], ddof=1)), seed_spread(group)
    return total, None if seeds is None else math.sqrt(max(0.0, total**2 - seeds**2))


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Kendall's tau-b of two rankings of the same items; None if one of them is constant.

    It is 1 if the rankings agree on every pair and -1 if they agree on none; a tie counts as neither.
    """
    tau = float(stats.kendalltau(one, other).statistic)
    return None if math.isnan(tau) else tau


def best_of(validation: Sequence[float], test: Sequence[float], size: int) -> float:
    """Expected test accuracy of the network with the highest validation accuracy among `size` random ones.

    The expectation is over all subsets of that size, drawn without replacement. Networks of equal validation accuracy
    are equally likely.

    Raises: ValueError if `size` is not from 1 to the number of networks.
    """
    validation, test, count = np.array(validation, float), np.array(test, float), len(test)
    if not 1 <= size <= count:
        raise ValueError(f"size={size}: must be from 1 to {count}, the number of networks")
    expected = 0.0
    for value in np.unique(validation):
        at_most, below = int((validation <= value).sum()), int((validation < value).sum())
        chance = (math.comb(at_most, size) - math.comb(below, size)) / math.comb(count, size)
        expected += chance * float(test[validation == value].mean())
    return expected
