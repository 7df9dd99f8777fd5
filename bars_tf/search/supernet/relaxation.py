"""From logits to choices, as pure functions: softmax, Gumbel-softmax, straight-through samples, entropy.

A choice is a vector of coefficients over its candidates. Every function takes logits [..., K], with -1e9
where a candidate does not exist, and works along the last axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bars_tf.legacy_keras import tf

TINY = 1e-20


class Sample(NamedTuple):
    """How much of each candidate: coefficients for widths [stages, W], depths [stages, D] and edges
    [groups, edges, primitives]; and on what share of the batch each depth [stages, D] and edge is computed: 1 for what
    is chosen, less for what is only compared, or 0 (None: everything is computed)."""

    widths: tf.Tensor
    depths: tf.Tensor
    edges: tf.Tensor
    computed_depths: tf.Tensor | None = None
    computed_edges: tf.Tensor | None = None


def gumbel(shape: tf.Tensor, seed: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """Gumbel noise from a stateless seed [2], so that a resumed run and all replicas draw the same."""
    uniform = tf.random.stateless_uniform(shape, seed, minval=0.0, maxval=1.0, dtype=dtype)
    return -tf.math.log(-tf.math.log(uniform + TINY) + TINY)


def gumbel_softmax(logits: tf.Tensor, noise: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    """softmax((logits + noise) / temperature) (Jang et al., arXiv 1611.01144)."""
    return tf.nn.softmax((logits + noise) / temperature)


def sample(logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """A one-hot sample of softmax(logits) (the Gumbel-max trick)."""
    return tf.one_hot(tf.argmax(logits + noise, axis=-1), logits.shape[-1], dtype=logits.dtype)


def straight_through(hard: tf.Tensor, soft: tf.Tensor, weights: tf.Tensor | float = 1.0) -> tf.Tensor:
    """`hard` forward, `soft` backward; the gradient to each candidate is multiplied by its weight."""
    return hard + weights * (soft - tf.stop_gradient(soft))


def second_path(hard: tf.Tensor, costly: tf.Tensor, noise: tf.Tensor,
                share: tf.Tensor | float = 1.0) -> tuple[tf.Tensor, tf.Tensor]:
    """A second candidate to compute, for the gradient alone, and the weights that make its gradient unbiased.

    A sample that computes its own candidate only leaves the others without a gradient from the loss. Computing one
    more of the costly candidates, drawn uniformly from those not sampled, and weighing its gradient by their number
    gives in the mean the gradient of computing them all. A share of the batch is enough for that. Candidates that are
    not costly are always computed.

    Args:
        hard: one-hot samples [..., K].
        costly: 1 where computing a candidate costs something [..., K].
        noise: Gumbel noise [..., K].
        share: the share of the batch that the second candidate is computed on.
    Returns:
        On what share of the batch each is computed [..., K], and weights of gradients [..., K].
    """
    others = costly * (1 - hard)
    drawn = sample(tf.math.log(others + TINY), noise) * others
    free = hard + (1 - costly) * (1 - hard)
    return free + drawn * share, free + drawn * tf.reduce_sum(others, -1, keepdims=True) / share


def entropy(probabilities: tf.Tensor) -> tf.Tensor:
    """Entropy in nats of each distribution [...]; 0 log 0 is 0."""
    return -tf.reduce_sum(probabilities * tf.math.log(tf.maximum(probabilities, TINY)), axis=-1)


# The functions below take logits and noise of widths, depths and edges.


def hard_choices(logits: Sequence[tf.Tensor], noise: Sequence[tf.Tensor]) -> Sample:
    """One-hot choices, sampled by the Gumbel noise; with noise of 0 the most probable ones."""
    hard = [sample(a, n) for a, n in zip(logits, noise)]
    return Sample(*hard, hard[1], hard[2])


def soft_choices(logits: Sequence[tf.Tensor], noise: Sequence[tf.Tensor], temperature: tf.Tensor) -> Sample:
    """Relaxed choices: everything is computed."""
    return Sample(*(gumbel_softmax(a, n, temperature) for a, n in zip(logits, noise)))


def straight_through_choices(logits: Sequence[tf.Tensor], noise: Sequence[tf.Tensor], second: Sequence[tf.Tensor],
                             temperature: tf.Tensor, costly: Sequence[np.ndarray],
                             share: tf.Tensor | float = 1.0) -> Sample:
    """Sampled forward, relaxed backward, with a second path for each depth and edge (see `second_path`)."""
    hard, soft = hard_choices(logits, noise), soft_choices(logits, noise, temperature)
    # What is shallower than the sampled depth is computed on the way.
    deeper = tf.cumsum(hard.depths, axis=-1, exclusive=True)
    depths, depth_weights = second_path(hard.depths, costly[0] * deeper, second[0], share)
    edges, edge_weights = second_path(hard.edges, costly[1] * tf.ones_like(hard.edges), second[1], share)
    return Sample(straight_through(hard.widths, soft.widths),
                   straight_through(hard.depths, soft.depths, depth_weights),
                   straight_through(hard.edges, soft.edges, edge_weights), depths, edges)
