"""The maths of samples, against NumPy and enumeration."""

import numpy as np
import pytest
from small_spaces import softmax

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet import relaxation

LOGITS = np.array([[0.5, -1.0, 2.0], [0.0, 0.0, -1e9]])


def test_samples_have_the_probabilities_of_the_softmax():
    noise = relaxation.gumbel([20000, 2, 3], tf.constant([1, 2], tf.int64), tf.float64)
    sampled = relaxation.gumbel_max(tf.constant(LOGITS), noise).numpy()
    assert ((sampled == 0) | (sampled == 1)).all() and (sampled.sum(-1) == 1).all()
    np.testing.assert_allclose(sampled.mean(0), softmax(LOGITS), atol=0.02)


def test_a_cold_gumbel_softmax_is_the_sample():
    noise = relaxation.gumbel([2, 3], tf.constant([1, 2], tf.int64), tf.float64).numpy()
    soft = relaxation.gumbel_softmax(tf.constant(LOGITS), noise, tf.constant(1e-3, tf.float64))
    np.testing.assert_allclose(soft, relaxation.gumbel_max(tf.constant(LOGITS), noise), atol=1e-6)
    np.testing.assert_allclose(relaxation.gumbel_softmax(LOGITS, noise, 2.0), softmax((LOGITS + noise) / 2))


def test_straight_through():
    """The value is that of the sample, the gradient that of the relaxation, times the weights."""
    logits, weights = tf.constant(LOGITS[0]), np.array([1.0, 2.0, 0.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        soft = tf.nn.softmax(logits)
        out = relaxation.straight_through(tf.one_hot(1, 3, dtype=tf.float64), soft, weights)
    np.testing.assert_array_equal(out, [0, 1, 0])
    p, upstream = softmax(LOGITS[0]), np.array([3.0, -1.0, 5.0])
    jacobian = np.diag(p) - np.outer(p, p)
    np.testing.assert_allclose(tape.gradient(out, logits, tf.constant(upstream)), jacobian @ (weights * upstream))


@pytest.mark.parametrize("fraction", [1.0, 0.25])
def test_second_paths_are_unbiased(fraction):
    """Over many draws every candidate is computed, on the fraction, as often as its weight makes up for."""
    hard, costly = np.eye(4)[[0, 2]], np.array([0.0, 1.0, 1.0, 1.0])
    noise = relaxation.gumbel([20000, 2, 4], tf.constant([3, 4], tf.int64), tf.float64)
    computed, weights = relaxation.second_path(
        tf.constant(np.broadcast_to(hard, (20000, 2, 4))), tf.constant(costly), noise, fraction)
    np.testing.assert_allclose((computed * weights).numpy().mean(0), np.ones((2, 4)), atol=0.05)
    computed = computed.numpy()
    assert (computed[:, hard == 1] == 1).all()  # what is sampled
    assert (computed[:, 1, 0] == 1).all()  # what costs nothing
    others = np.where(hard + (1 - costly) == 0, computed, 0)
    np.testing.assert_allclose(others.sum(-1), fraction)  # one more


def test_entropy():
    assert float(relaxation.entropy(tf.constant([0.5, 0.25, 0.25]))) == pytest.approx(1.5 * np.log(2))
    assert float(relaxation.entropy(tf.constant([1.0, 0.0]))) == 0
