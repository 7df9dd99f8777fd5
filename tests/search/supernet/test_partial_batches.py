"""Sub-batches against NumPy's slices."""

import numpy as np
import pytest

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.partial_batches import Branches, SubBatch, add, first_images


def sub_batch(size, adds, batch_size=4):
    """One of `size` images."""
    sizes = tf.constant([size])
    return SubBatch(tf.constant(1.0), tf.constant(adds), None, None, sizes, sizes,
                    tf.pad((batch_size - sizes)[:, None], [[0, 3], [1, 0]]), tf.constant([0]), tf.constant([1]))


@pytest.mark.parametrize("size", [1, 3, 4])
@pytest.mark.parametrize("adds", [True, False])
def test_terms_of_the_first_images(size, adds, rng):
    """A term adds to a sum of as many images; the gradient of both is that of a sum, adds or not."""
    x, total, term = (tf.constant(rng.normal(size=(n, 2, 2, 3))) for n in (4, size, size))
    part = sub_batch(size, adds)
    with tf.GradientTape() as tape:
        tape.watch([x, total, term])
        first, result = first_images(x, part), add(total, term, part)
        value = tf.reduce_sum(first * 3) + tf.reduce_sum(result * 5)
    np.testing.assert_array_equal(first, x.numpy()[:size])
    np.testing.assert_array_equal(result, total + term if adds else total)
    to_x, to_total, to_term = tape.gradient(value, [x, total, term])
    np.testing.assert_array_equal(to_x[:size], np.full((size, 2, 2, 3), 3.0))
    assert not to_x[size:].numpy().any()
    assert (to_total.numpy() == 5).all() and (to_term.numpy() == 5).all()


def test_the_gradient_of_fewer_images(rng):
    """A gradient comes back from the first images alone, and is padded to all."""
    x, part = tf.constant(rng.normal(size=(4, 1, 1, 2))), sub_batch(2, True)
    np.testing.assert_array_equal(part.take_backward(x), x.numpy()[:2])
    padded = tf.pad(part.take_backward(x), part.paddings)
    np.testing.assert_array_equal(padded, np.concatenate([x.numpy()[:2], np.zeros((2, 1, 1, 2))]))
    assert first_images(x, None) is x


@pytest.mark.parametrize("graph", [False, True])
def test_branches_compute_the_selected_function_alone(graph):
    branches = Branches.of(lambda x: x + 1.0, lambda x: x * 0.0, tf.float32, 1)

    def run(condition):
        x = tf.fill([1, 1, 1, 1], np.float32(2))
        return branches(condition, [x], [x.shape])[0]

    run = tf.function(run) if graph else run
    assert [float(run(tf.constant(condition))) for condition in (True, False)] == [3, 0]
