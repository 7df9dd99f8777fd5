"""From logits to choices, as pure functions: softmax, Gumbel-softmax, straight-through samples, entropy.

A choice is a vector of coefficients over its candidates. Every function takes logits [..., K], with minus infinity
where a candidate does not exist, and works along the last axis.
"""

from __future__ import annotations

from bars_tf.legacy_keras import tf

SAMPLING = ("softmax", "gumbel", "gumbel_hard")
TINY = 1e-20


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


def second_path(hard: tf.Tensor, costly: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A second candidate to compute, for the gradient alone, and the weights that make its gradient unbiased.

    A sample that computes its own candidate only leaves the others without a gradient from the loss. Computing one
    more of the costly candidates, drawn uniformly from those not sampled, and weighing its gradient by their number
    gives in the mean the gradient of computing them all. Candidates that are not costly are always computed.

    Args:
        hard: one-hot samples [..., K].
        costly: 1 where computing a candidate costs something [..., K].
        noise: Gumbel noise [..., K].
    Returns:
        What is computed [..., K] (1 or 0), and weights of gradients [..., K].
    """
    others = costly * (1 - hard)
    drawn = sample(tf.math.log(others + TINY), noise) * others
    computed = hard + drawn + (1 - costly) * (1 - hard)
    return computed, hard + drawn * tf.reduce_sum(others, -1, keepdims=True) + (1 - costly) * (1 - hard)


def entropy(probabilities: tf.Tensor) -> tf.Tensor:
    """Entropy in nats of each distribution [...]; 0 log 0 is 0."""
    return -tf.reduce_sum(probabilities * tf.math.log(tf.maximum(probabilities, TINY)), axis=-1)
