"""All layer factories implement the protocol, and make the same layers of a genotype."""

import inspect

import pytest
from small_spaces import CLASSES, FULL_WIDTH, NASB, ODD_SHAPE, SMALL, TRANSITION, TWO_PATHS, sampled_genotypes

from bars_tf.export.conversion import FusibleFactory
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.factory import LayerFactory
from bars_tf.network.keras_network import FloatFactory, FloatKernelFactory, KerasFactory, build_network
from bars_tf.network.layer_list import LayerListFactory, layers_of
from bars_tf.network.layers import Candidate
from bars_tf.search.supernet.factory import SupernetFactory
from bars_tf.space.genotype import uniform

FACTORIES = (KerasFactory, FloatKernelFactory, FloatFactory, FusibleFactory, LayerListFactory, SupernetFactory)
METHODS = [name for name, _ in inspect.getmembers(LayerFactory, inspect.isfunction) if not name.startswith("_")]
KINDS = {tf.keras.layers.Conv2D: "conv", lq.layers.QuantConv2D: "binary_conv", tf.keras.layers.Dense: "dense",
         tf.keras.layers.BatchNormalization: "batch_norm"}


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: factory.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_a_factory_takes_what_the_protocol_says(factory, method):
    expected, found = (list(inspect.signature(getattr(owner, method)).parameters.values())
                       for owner in (LayerFactory, factory))
    assert [p.name for p in found] == [p.name for p in expected]
    assert [p.default for p in found] == [p.default for p in expected]


@pytest.mark.parametrize("space", [SMALL, FULL_WIDTH, TRANSITION.replace(head_activation="relu"), NASB, TWO_PATHS],
                         ids=["bars", "full_width", "transition", "nasb", "two_paths"])
def test_the_list_has_the_layers_of_the_keras_network(space, rng):
    """Name, kind, kernel, stride, dilation, and parameters of all layers with weights."""
    for genotype in sampled_genotypes(space, rng, 6):
        model = build_network(genotype, ODD_SHAPE, CLASSES)
        listed = {layer.name: layer for layer in layers_of(genotype, ODD_SHAPE, CLASSES).values() if layer.name}
        weighted = [layer for layer in model.layers if layer.weights]
        assert set(listed) == {layer.name for layer in weighted}
        for layer in weighted:
            found = listed[layer.name]
            assert found.kind == KINDS[type(layer)]
            trained = [w for w in layer.weights if "moving" not in w.name]
            assert found.params == sum(w.shape.num_elements() for w in trained)
            if "conv" in found.kind:
                assert (found.window, (found.stride,) * 2, (found.dilation,) * 2) == (
                    layer.kernel_size, layer.strides, layer.dilation_rate)
            if found.kind != "dense":
                assert (None, *found.shape) == layer.output_shape


def test_layers_know_their_candidate():
    """Without reading names, which say the same."""
    space = NASB.replace(num_paths=2)
    edge, primitive = space.edges.index((0, 2)), space.primitives.index("bin_conv_5x5")
    for layer in layers_of(uniform(space, "bin_conv_5x5"), ODD_SHAPE, CLASSES).values():
        if layer.name:
            assert (layer.candidate is None) == ("_edge_" not in layer.name)
        if "_edge_0_2_" in layer.name:
            cell = space.cells()[int(layer.name.split("_")[1])]
            assert layer.candidate == Candidate(space.groups.index(cell.group), edge, primitive)
