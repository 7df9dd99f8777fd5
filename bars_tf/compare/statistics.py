"""Statistics of accuracies: intervals of differences that count the noise of both sides, spreads, rank correlation.

A group of networks is a list of clusters. A cluster holds the accuracies of one genotype, one for each training seed.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

Cluster = Sequence[float]
LEVEL = 0.05
MIN_NETWORKS = 5  # a variance of fewer networks says too little for an interval


class Estimate(NamedTuple):
    """A mean, the variance of that mean, and the degrees of freedom of the variance."""

    mean: float
    variance: float
    freedom: float


def means(group: Sequence[Cluster]) -> list[float]:
    """The mean of each cluster."""
    return [float(np.mean(cluster)) for cluster in group]


def of_networks(group: Sequence[Cluster]) -> Estimate | None:
    """The mean over networks, each by its mean over seeds; None for fewer than `MIN_NETWORKS`.

    The variance between these means holds the noise of architectures and of training seeds.
    """
    values = means(group)
    if len(values) < MIN_NETWORKS:
        return None
    return Estimate(float(np.mean(values)), float(np.var(values, ddof=1)) / len(values), len(values) - 1)


def of_seeds(cluster: Cluster, others: Sequence[Cluster]) -> Estimate | None:
    """The mean of one network over training seeds; None if no network has several.

    A few seeds of one network say little about the variance between seeds: it is pooled with that of the `others`, as
    in a mixed model with one variance of seeds.
    """
    squares, freedom = _seed_squares([cluster, *others])
    return Estimate(float(np.mean(cluster)), squares / freedom / len(cluster), freedom) if freedom else None


def difference(one: Estimate, other: Estimate | float) -> tuple[tuple[float, float], float]:
    """The 95 % interval and the two-sided p-value of a difference of two independent means.

    A number as `other` counts as exact. Source: Welch, Biometrika 34 (1947), with Satterthwaite's degrees of freedom.
    """
    other = other if isinstance(other, Estimate) else Estimate(other, 0.0, 1.0)
    found, variance = one.mean - other.mean, one.variance + other.variance
    if not variance:
        return (found, found), float(found == 0)
    freedom = variance**2 / (one.variance**2 / one.freedom + other.variance**2 / other.freedom)
    error = math.sqrt(variance)
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    return (found - half, found + half), float(2 * stats.t.sf(abs(found) / error, freedom))


def jackknife_error(statistic: Callable[[np.ndarray], float], count: int) -> float:
    """Standard error of a `statistic` of the items with given indices, of which each of `count` is left out once.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11.
    """
    values = np.array([statistic(np.delete(np.arange(count), i)) for i in range(count)])
    return float(math.sqrt((count - 1) * np.var(values)))


def _seed_squares(group: Sequence[Cluster]) -> tuple[float, int]:
    """The squared distances of accuracies from the means of their networks, and their degrees of freedom."""
    repeated = [np.array(cluster, float) for cluster in group if len(cluster) > 1]
    return (sum(float(((cluster - cluster.mean()) ** 2).sum()) for cluster in repeated),
            sum(len(cluster) - 1 for cluster in repeated))


def seed_spread(group: Sequence[Cluster]) -> float | None:
    """Standard deviation between training seeds of one network, pooled over the networks that have several."""
    squares, freedom = _seed_squares(group)
    return math.sqrt(squares / freedom) if freedom else None


def architecture_spread(group: Sequence[Cluster]) -> tuple[float | None, float | None]:
    """Standard deviation between networks of one training each.

    Returns: the standard deviation of the first accuracies of the clusters, and the square root of its variance minus
    that between seeds (0 if the latter is larger). Each is None if there are too few networks or seeds.
    """
    if len(group) < 2:
        return None, None
    total, seeds = float(np.std([cluster[0] for cluster in group], ddof=1)), seed_spread(group)
    return total, None if seeds is None else math.sqrt(max(0.0, total**2 - seeds**2))


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> tuple[float | None, float | None]:
    """Kendall's tau-b of two rankings of the same items and its standard error; None where a ranking is constant.

    Tau is 1 if the rankings agree on every pair and -1 if they agree on none; a tie counts as neither. The error is
    that of the jackknife over the items.
    """
    pair = np.array([one, other], float)

    def tau(items: np.ndarray) -> float:
        return float(stats.kendalltau(*pair[:, items]).statistic)

    found, error = tau(np.arange(len(one))), jackknife_error(tau, len(one))
    return None if math.isnan(found) else found, None if math.isnan(error) else error


def best_of(validation: Sequence[float], test: Sequence[float], size: int) -> float:
    """Expected test accuracy of the network with the highest validation accuracy among `size` random ones.

    The expectation is over all subsets of that size, drawn without replacement. Networks of equal validation accuracy
    are equally likely.
    """
    validation, test, expected = np.array(validation, float), np.array(test, float), 0.0
    for value in np.unique(validation):
        at_most, below = int((validation <= value).sum()), int((validation < value).sum())
        chance = (math.comb(at_most, size) - math.comb(below, size)) / math.comb(len(test), size)
        expected += chance * float(test[validation == value].mean())
    return expected
