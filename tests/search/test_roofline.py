"""The convolutions that the roofline times are those of the supernet."""

from collections import Counter

import numpy as np
import pytest
from small_spaces import CLASSES, FULL_WIDTH, NASB, ODD_SHAPE, SMALL

from bars_tf.legacy_keras import tf
from bars_tf.network.layer_list import layers_of
from bars_tf.search.roofline import KINDS, Roofline, Shape, shapes
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import uniform


@pytest.mark.parametrize("space", [SMALL, FULL_WIDTH, NASB], ids=["bars", "full_width", "nasb"])
def test_all_candidates_are_those_of_the_supernet(space):
    kernels = Counter(tuple(layer.kernel.shape) for layer in Supernet(space, ODD_SHAPE, CLASSES).layers_by_name.values()
                      if isinstance(layer, tf.keras.layers.Conv2D))
    found = Counter()
    for shape, count in shapes(space, ODD_SHAPE).items():
        found[shape.kernel, shape.kernel, shape.inputs, shape.filters] += count
    assert found == kernels


def test_picked_primitives_are_those_of_a_genotype():
    k = SMALL.primitives.index("bin_conv_3x3")
    picked = np.full((len(SMALL.groups), len(SMALL.edges)), k)
    layers = layers_of(uniform(SMALL, "bin_conv_3x3"), ODD_SHAPE, CLASSES).values()
    macs = sum(shape.macs * count for shape, count in shapes(SMALL, ODD_SHAPE, picked).items())
    assert macs == sum(layer.macs for layer in layers if "conv" in layer.kind)


def test_each_convolution_is_timed_forward_and_backward():
    shape = Shape(4, 4, 2, 3, 3, 1, 1)
    roofline = Roofline({shape}, batch_size=2)
    roofline.measure()
    twice = roofline.seconds(Counter({shape: 2}), KINDS)
    assert twice > roofline.seconds(Counter({shape: 2}), KINDS[:1]) > 0
    assert roofline.gflops(Counter({shape: 2})) == pytest.approx(2e-9 * 3 * 2 * 2 * 16 * 9 * 2 * 3 / twice)
