"""The float twin: the same network with ReLUs in place of signs, and float convolutions."""

from sample_networks import CLASSES, SHAPE, WIDE

from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.legacy_keras import lq
from bars_tf.network.keras_network import build_network
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
