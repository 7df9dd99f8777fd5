"""Channel slices against NumPy's."""

import numpy as np
import pytest

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.widths import ActiveChannels, ChannelSlice, value_of


@pytest.mark.parametrize("shape, active", [
    ((3, 3, 8, 6), [(1, 8, 5), None]), ((3, 3, 8, 6), [None, (1, 6, 2)]), ((3, 3, 8, 6), [(2, 4, 3), (3, 2, 1)]),
    ((2, 6), [(3, 2, 1)]), ((2, 6), [(2, 3, 3)])], ids=str)
def test_slices_are_those_of_each_block(shape, active, rng):
    """In a graph that is traced before the number of active channels is known; the gradient of the others is 0."""
    kept = [np.arange(size) for size in shape]
    for axis, entry in zip(range(-len(active), 0), active):
        if entry:
            blocks, size, count = entry
            kept[axis] = np.concatenate([block * size + np.arange(count) for block in range(blocks)])

    @tf.function
    def run(tensor, *counts):
        counts = iter(counts)
        channels = ChannelSlice(shape, [e and ActiveChannels(e[0], e[1], next(counts)) for e in active])
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            taken = channels.take(tensor)
        return taken, channels.restore(taken), tape.gradient(taken, tensor, 2 * taken)

    tensor = rng.normal(size=shape)
    taken, restored, gradient = run(tf.constant(tensor), *(tf.constant(e[2]) for e in active if e))
    np.testing.assert_array_equal(taken, tensor[np.ix_(*kept)])
    whole = np.zeros(shape)
    whole[np.ix_(*kept)] = tensor[np.ix_(*kept)]
    np.testing.assert_array_equal(restored, whole)
    np.testing.assert_array_equal(gradient, 2 * whole)


def test_total_and_value():
    active = ActiveChannels(3, 4, tf.constant(2))
    assert int(active.total) == 6
    variable = tf.Variable(np.arange(12.0))
    np.testing.assert_array_equal(value_of(variable, None), np.arange(12))
    np.testing.assert_array_equal(value_of(variable, ChannelSlice((12,), [active])), [0, 1, 4, 5, 8, 9])
