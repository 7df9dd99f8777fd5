"""Uniform draws: networks near the budget that train the shared weights, whatever the alphas prefer."""

from __future__ import annotations

import functools

import numpy as np

from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import CostTables, cost_of
from bars_tf.legacy_keras import tf
from bars_tf.space.encoding import Choices, one_hot, random_genotype

# Networks that are drawn, and how many of them, nearest to the budget, are used (our choice).
DRAWN, NEAREST = 4096, 1024


@functools.lru_cache(maxsize=2)  # every replica traces the step that draws from them
def networks_near_budget(tables: CostTables, budget: Budget, seed: int) -> Choices:
    """Draws networks uniformly and returns the quarter whose costs are nearest to the budget: later ones of such costs
    are compared.

    Returns:
        One-hot widths [N, stages, W], depths [N, stages, D] and edges [N, groups, edges, primitives].
    """
    rng = np.random.default_rng([seed, 2])
    networks = [random_genotype(tables.space, rng) for _ in range(DRAWN)]
    used = [budget.used(cost_of(genotype, tables)) for genotype in networks]
    nearest = np.argsort(np.abs(np.log(np.maximum(used, 1e-9))), kind="stable")[:NEAREST]
    return Choices(*map(np.stack, zip(*(one_hot(networks[i]) for i in nearest))))


def mixed_logits(logits: Choices, networks: Choices, fraction: float, seed: tf.Tensor) -> Choices:
    """Returns the logits of one of the networks in a fraction of the steps, else the given logits.

    Args:
        logits: the logits of all choices.
        networks: one-hot choices of `networks_near_budget`.
        fraction: fraction of the steps that take a network.
        seed: stateless seed [2] of the step.
    """
    toss, row = tf.unstack(tf.random.stateless_uniform([2], seed))
    row = tf.cast(row * len(networks.widths), tf.int32)
    return Choices(*(tf.where(toss < fraction, 1e9 * (tf.gather(tf.constant(network, a.dtype), row) - 1), a)
                     for network, a in zip(networks, logits)))
