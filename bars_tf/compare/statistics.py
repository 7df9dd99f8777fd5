"""What a difference of accuracies is worth: permutation test, bootstrap, spreads. Plain functions of numbers.

A group of networks is a list of clusters: the accuracies of one genotype (that of one search, say), one a training
seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

Cluster = Sequence[float]
LEVEL = 0.05
MOST_ARRANGEMENTS = 100_000
DRAWS = 10_000


def means(group: Sequence[Cluster]) -> list[float]:
    """The mean of each cluster."""
    return [float(np.mean(cluster)) for cluster in group]


def permutation_p(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Two-sided p of a difference of means: the part of all ways to divide the values into two such groups whose
    difference is at least as large. Beyond 100,000 ways, of as many drawn ones (and the one that is).

    None where no division at all could give a p of 0.05 or less: there are too few values.
    """
    values = np.array([*one, *other], float)
    size, total = len(one), len(one) + len(other)
    if not size or size == total:
        return None
    arrangements = math.comb(total, size)
    if (2 if 2 * size == total else 1) / arrangements > LEVEL:  # of equal groups each division counts twice
        return None

    def statistic(rows: np.ndarray) -> np.ndarray:
        sums = values[rows].sum(-1)
        return np.abs(sums / size - (values.sum() - sums) / (total - size))

    limit = statistic(np.arange(size)[None])[0] - 1e-12  # equal but for rounding is equal
    if arrangements <= MOST_ARRANGEMENTS:
        rows = np.array(list(itertools.combinations(range(total), size)))
        return float(np.mean(statistic(rows) >= limit))
    rng = np.random.default_rng(0)
    drawn = statistic(rng.random((MOST_ARRANGEMENTS, total)).argsort(1)[:, :size])
    return float((np.sum(drawn >= limit) + 1) / (MOST_ARRANGEMENTS + 1))


def bootstrap_interval(one: Sequence[Cluster], other: Sequence[Cluster] | float) -> tuple[float, float] | None:
    """The 95 % percentile interval of the difference of the means of cluster means, clusters drawn with replacement.

    `other` may be a number, which stays. None where a group has fewer than two clusters to draw from. From few
    clusters the interval is too narrow.
    """
    rng = np.random.default_rng(0)

    def resampled(group: Sequence[Cluster]) -> np.ndarray:
        values = np.array(means(group))
        return values[rng.integers(len(values), size=(DRAWS, len(values)))].mean(1)

    fixed = isinstance(other, (int, float))
    if len(one) < 2 or (not fixed and len(other) < 2):
        return None
    differences = resampled(one) - (other if fixed else resampled(other))
    low, high = np.quantile(differences, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def seed_spread(group: Sequence[Cluster]) -> float | None:
    """The standard deviation between training seeds of one network, pooled over those that have several."""
    repeated = [np.array(cluster, float) for cluster in group if len(cluster) > 1]
    if not repeated:
        return None
    squares = sum(((cluster - cluster.mean()) ** 2).sum() for cluster in repeated)
    return float(math.sqrt(squares / sum(len(cluster) - 1 for cluster in repeated)))


def architecture_spread(group: Sequence[Cluster]) -> tuple[float | None, float | None]:
    """The standard deviation between networks of one training each (the first), and what is left of it without that
    between seeds (0 where this is the larger one)."""
    if len(group) < 2:
        return None, None
    total, seeds = float(np.std([cluster[0] for cluster in group], ddof=1)), seed_spread(group)
    return total, None if seeds is None else math.sqrt(max(0.0, total**2 - seeds**2))


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Kendall's tau-b of two rankings of the same things: 1 where they agree on every pair, -1 on none; ties count as
    neither. None where all values of one are equal."""
    signs = [np.sign(np.subtract.outer(values, values)) for values in (np.array(one, float), np.array(other, float))]
    norm = math.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
    return float((signs[0] * signs[1]).sum() / norm) if norm else None


def best_of(validation: Sequence[float], test: Sequence[float], size: int) -> float:
    """The expected test accuracy of that one among `size` networks, drawn without replacement, whose validation
    accuracy is the highest. Networks of equal validation accuracy share its chance."""
    validation, test, count = np.array(validation, float), np.array(test, float), len(test)
    if not 1 <= size <= count:
        raise ValueError(f"size={size}: must be from 1 to {count}, the number of networks")
    expected = 0.0
    for value in np.unique(validation):
        at_most, below = int((validation <= value).sum()), int((validation < value).sum())
        chance = (math.comb(at_most, size) - math.comb(below, size)) / math.comb(count, size)
        expected += chance * float(test[validation == value].mean())
    return expected
