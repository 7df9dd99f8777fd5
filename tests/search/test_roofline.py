"""The convolutions that the roofline times are those of the supernet."""

import time
from collections import Counter

import numpy as np
import pytest
from small_spaces import CLASSES, FULL_WIDTH, NASB, ODD_SHAPE, SMALL

from bars_tf.legacy_keras import tf
from bars_tf.network.layer_list import layers_of
from bars_tf.network.layers import Layer
from bars_tf.search.roofline import bare_convolutions, convolutions, macs
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import uniform


@pytest.mark.parametrize("space", [SMALL, FULL_WIDTH, NASB], ids=["bars", "full_width", "nasb"])
def test_all_candidates_are_those_of_the_supernet(space):
    kernels = Counter(tuple(layer.kernel.shape) for layer in Supernet(space, ODD_SHAPE, CLASSES).layers_by_name.values()
                      if isinstance(layer, tf.keras.layers.Conv2D))
    found = Counter()
    for (_, layer), count in convolutions(space, ODD_SHAPE).items():
        found[(*layer.window, layer.in_channels, layer.shape[2])] += count
    assert found == kernels


def test_picked_primitives_are_those_of_a_genotype():
    k = SMALL.primitives.index("bin_conv_3x3")
    picked = np.full((len(SMALL.groups), len(SMALL.edges)), k)
    layers = layers_of(uniform(SMALL, "bin_conv_3x3"), ODD_SHAPE, CLASSES).values()
    counted = macs(convolutions(SMALL, ODD_SHAPE, picked))
    assert counted == sum(layer.macs for layer in layers if "conv" in layer.kind)


def test_convolutions_and_their_gradients_are_computed():
    """What has no effect on the result would be left out, and cost nothing."""
    side, channels = 64, 64
    shape = ((side, side, channels), Layer("conv", (), (side, side, channels), in_channels=channels, window=(3, 3)))
    seconds = []
    for count, gradients in ((1, False), (8, False), (8, True)):
        run, taken = bare_convolutions(Counter({shape: count}), 2, gradients, gradients), []
        for _ in range(6):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
        seconds.append(min(taken))
    assert seconds[1] > 4 * seconds[0] and seconds[2] > 1.5 * seconds[1]
