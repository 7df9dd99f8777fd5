"""That the operations which are counted are those that the converter makes."""

from collections import Counter

import numpy as np
import pytest
from small_spaces import FULL_WIDTH, NASB, SMALL, TRANSITION, TWO_PATHS

from bars_tf.cost.operations import operations, scales_kernels
from bars_tf.export import conversion
from bars_tf.export.file_operations import file_operations
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.network.layer_list import layers_of
from bars_tf.space.encoding import random_genotype
from bars_tf.space.presets import BARS_PAPER

pytest.importorskip("larq_compute_engine")
SHAPE, CLASSES = (16, 14, 3), 10
# With 8 channels a kernel can have four signs: two may be equal, of which the converter leaves one out.
SPACES = {
    "small": SMALL.replace(layout="NR", init_channels=16), "plain": SMALL.replace(layout="NR", plain_convolutions=True),
    "full_width": FULL_WIDTH.replace(layout="NR"),
    "transition": TRANSITION.replace(layout="NRN", head_activation="relu"),
    "nasb": NASB.replace(backbone=((8, 1, 1), (16, 2, 1), (24, 1, 1))), "two_paths": TWO_PATHS,
    "scaled_backbone": NASB.replace(kernel_quantizer="magnitude_aware_sign", backbone=((8, 1, 1), (16, 2, 1))),
    "scaled": SMALL.replace(layout="R", width_choices=(1.0,), kernel_quantizer="magnitude_aware_sign"),
    "three_nodes": BARS_PAPER.replace(layout="R", num_nodes=3, init_channels=8, primitives=SMALL.primitives)}
FEW = ("small", "nasb", "two_paths", "scaled")


def check(space, count, rng):
    for _ in range(count):
        genotype = random_genotype(space, rng)
        model = build_network(genotype, SHAPE, CLASSES)
        for layer in model.layers:  # an addition of zero would be left out
            low = 0.5 if isinstance(layer, tf.keras.layers.BatchNormalization) else -2
            layer.set_weights([rng.uniform(low, 2, values.shape) for values in layer.get_weights()])
        found = file_operations(conversion.convert(conversion.fusible(genotype, model)))
        assert Counter(found) == Counter(operations(layers_of(genotype, SHAPE, CLASSES), scales_kernels(space)))
        tf.keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_operations_are_those_of_the_file(name, rng):
    check(SPACES[name], 1, rng)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", SPACES)
def test_operations_of_many_networks_are_those_of_the_files(name):
    check(SPACES[name], 4, np.random.default_rng(1))


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"", b"hello", bytes(4) + b"TFL3" + bytes(50)])
def test_other_files_are_refused(data):
    with pytest.raises(ValueError, match=r"not a \.tflite file|damaged|graphs"):
        file_operations(data)
