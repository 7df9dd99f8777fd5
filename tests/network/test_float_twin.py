"""The float twin: the same network with ReLUs in place of signs, and float convolutions."""

import numpy as np
from sample_networks import CLASSES, SHAPE, WIDE
from small_spaces import TINY_NASB

from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.legacy_keras import lq
from bars_tf.network.keras_network import build_network
from bars_tf.space import backbones
from bars_tf.space.encoding import random_genotype


def test_float_twin_is_the_same_network(rng):
    genotype = random_genotype(WIDE, rng)
    binary, twin = (build_network(genotype, SHAPE, CLASSES, precision=p) for p in ("binary", "float"))
    assert [w.shape for w in binary.weights] == [w.shape for w in twin.weights]
    assert {layer.name for layer in binary.layers if layer.weights} == {
        layer.name for layer in twin.layers if layer.weights}
    profile, costs = lq.models.ModelProfile(twin), cost_of(genotype, cost_tables(WIDE, SHAPE, CLASSES)).as_float()
    assert (profile.op_count("mac", 1), profile.op_count("mac", 32)) == (0, costs.flops)
    assert costs.size_bytes * 8 == profile.memory


def test_the_float_twin_of_a_backbone_is_not_linear(rng):
    """Its binary form has no other non-linearity than the sign."""
    twin = build_network(backbones.backbone(TINY_NASB), (8, 8, 1), 3, precision="float")
    x, y = rng.normal(size=(2, 16, 8, 8, 1)).astype(np.float32)
    f = [twin(images, training=False).numpy() for images in (x, y, x + y, 0 * x)]
    assert abs(f[0] + f[1] - f[2] - f[3]).max() > 1e-2 * abs(f[2]).max()
