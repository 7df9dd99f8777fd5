"""From logits to samples, as pure functions: softmax, Gumbel-softmax, straight-through samples, entropy.

Every function takes logits [..., K] of K candidates, -1e9 where a candidate does not exist, and works along the last
axis; or all of them as `Choices`. A sample holds a coefficient for each candidate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bars_tf.cost import input_limit
from bars_tf.legacy_keras import tf
from bars_tf.space.encoding import Choices
from bars_tf.space.search_space import SearchSpace

TINY = 1e-20


class Sample(NamedTuple):
    """The coefficients of all candidates, which sum to 1 over a choice, and what of them is computed.

    Attributes:
        choices: the coefficients.
        computed: the fraction of the batch on which each candidate is computed: 1 for sampled candidates, less for
            those that are only compared, or 0. None: everything is computed.
        shortcuts: the coefficients of the edges' candidates [groups, edges, primitives] for what is computed in any
            case, their shortcuts: equal to those of `choices` but for the weights of their gradients. None: equal.
    """

    choices: Choices
    computed: Choices | None = None
    shortcuts: tf.Tensor | None = None


def gumbel(shape: tf.Tensor, seed: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """Returns Gumbel noise -log(-log(u)), u uniform, from a stateless seed [2]."""
    uniform = tf.random.stateless_uniform(shape, seed, minval=0.0, maxval=1.0, dtype=dtype)
    return -tf.math.log(-tf.math.log(uniform + TINY) + TINY)


def gumbel_softmax(logits: tf.Tensor, noise: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    """Returns the relaxed sample softmax((logits + noise) / temperature) (Jang et al., arXiv 1611.01144)."""
    return tf.nn.softmax((logits + noise) / temperature)


def gumbel_max(logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Returns the one-hot sample one_hot(argmax(logits + noise)) of softmax(logits) (the Gumbel-max trick)."""
    return tf.one_hot(tf.argmax(logits + noise, axis=-1), logits.shape[-1], dtype=logits.dtype)


def straight_through(hard: tf.Tensor, soft: tf.Tensor, weights: tf.Tensor | float = 1.0) -> tf.Tensor:
    """Returns hard + weights * (soft - stop_gradient(soft)): the value of `hard`, the weighted gradient of `soft`."""
    return hard + weights * (soft - tf.stop_gradient(soft))


def second_path(hard: tf.Tensor, costly: tf.Tensor, noise: tf.Tensor, fraction: tf.Tensor | float = 1.0,
                fraction_here: tf.Tensor | float | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws a second candidate to compute, for its gradient alone (our choice).

    A sample that computes its own candidate only gives the others no gradient of the loss. So one of the m costly
    candidates that were not sampled is drawn uniformly and computed on a fraction f of the batch. Its gradient g_k is
    drawn with probability 1 / m, and g_k is f times that of the whole batch; the weight m / f makes the estimate of
    every candidate's gradient unbiased: (1 / m) * (m / f) * f * g_k = g_k. What costs nothing is always computed, on
    the whole batch, and has the weight 1: candidates without an operation, and the shortcut of any candidate.

    Args:
        hard, noise: one-hot samples and Gumbel noise [..., K].
        costly: 1 where computing a candidate takes time, else 0 [..., K].
        fraction: the fraction f of the batch.
        fraction_here: of several devices that share the batch, the fraction of the images of this one that belong to
            it, which may be 0; None: f.
    Returns:
        The fraction of the batch (here) on which each candidate is computed, and the weight of its gradient; each
        [..., K].
    """
    others = costly * (1 - hard)
    drawn = gumbel_max(tf.math.log(others + TINY), noise) * others
    free = hard + (1 - costly) * (1 - hard)
    here = fraction if fraction_here is None else fraction_here
    return free + drawn * here, free + drawn * tf.reduce_sum(others, -1, keepdims=True) / fraction


def entropy(probabilities: tf.Tensor) -> tf.Tensor:
    """Returns the entropy -sum_k p_k log(p_k) in nats of each distribution [...]; 0 log(0) is 0."""
    return -tf.reduce_sum(probabilities * tf.math.log(tf.maximum(probabilities, TINY)), axis=-1)


def limit_inputs(space: SearchSpace, edges: tf.Tensor, order: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the coefficients of edges [groups, edges, primitives] where a node keeps `space.most_inputs` inputs.

    What an edge loses goes to its candidate "none".

    Args:
        order: which inputs of one-hot samples remain, [groups, edges]: the largest ones. None: of probabilities, the
            fraction of each edge that remains on average (see `cost.input_limit`).
    """
    if not input_limit.is_limited(space):
        return edges
    drawn = input_limit.drawn_fractions(space, edges)
    if order is None:
        kept = input_limit.kept_fractions(space, drawn, tf)
    else:
        targets = np.array(space.edges)[:, 1]
        rivals = tf.constant(targets[:, None] == targets, edges.dtype) * tf.cast(
            order[:, None, :] > order[:, :, None], edges.dtype)  # [groups, edge, rival]
        kept = tf.cast(tf.linalg.matvec(rivals, drawn) < space.most_inputs - 0.5, edges.dtype)
    none = tf.one_hot(space.primitives.index("none"), len(space.primitives), dtype=edges.dtype)
    return edges * kept[..., None] + (1 - kept[..., None]) * none


def one_hot_sample(hard: Choices) -> Sample:
    """Returns one-hot choices as a sample, whose candidates alone are computed."""
    return Sample(hard, hard, hard.edges)


def straight_through_sample(hard: Choices, soft: Choices, second_noise: Sequence[tf.Tensor],
                            costly: Sequence[np.ndarray], fraction: tf.Tensor | float = 1.0,
                            fraction_here: tf.Tensor | float | None = None) -> Sample:
    """Returns a sample that is one-hot forward and relaxed backward, with a second path for each depth and edge.

    Args:
        hard, soft: the one-hot choices, and those whose gradient they have.
        second_noise: Gumbel noise of the second depths [stages, D] and edges [groups, edges, primitives].
        costly: 1 for the depths [stages, D] and the primitives [primitives] that take time to compute.
        fraction, fraction_here: the fraction of the batch on which second paths are computed, as in `second_path`.
    """
    # Depths below the sampled one are computed on the way to it.
    deeper = tf.cumsum(hard.depths, axis=-1, exclusive=True)
    (depths, depth_weights), (edges, edge_weights) = (
        second_path(choices, candidates, noise, fraction, fraction_here) for choices, candidates, noise in zip(
            hard[1:], (costly[0] * deeper, costly[1] * tf.ones_like(hard.edges)), second_noise))
    weights = Choices(1.0, depth_weights, edge_weights)
    return Sample(Choices(*map(straight_through, hard, soft, weights)), Choices(hard.widths, depths, edges),
                  straight_through(hard.edges, soft.edges))
