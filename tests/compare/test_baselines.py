"""Hand-made baselines: as large as the budget allows, and equal to the networks that they are named after."""

import numpy as np
import pytest

from bars_tf import files
from bars_tf.compare import baselines as references
from bars_tf.cost import overhead
from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import Budget
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.keras_network import build_network
from bars_tf.network.quicknet import QuickNet
from bars_tf.space import backbones
from bars_tf.space.backbones import nasb
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS, BARS_SMALL
from bars_tf.training import evaluation as evaluate

SHAPE, CLASSES = (28, 28, 1), 10
SPACE = BARS_SMALL.replace(init_channels=8, stem_channels=8, num_nodes=2, layout="NRN")


OF_BARS = ("resnet", "quicknet", "bars_uniform")


@pytest.mark.parametrize("name", OF_BARS)
@pytest.mark.parametrize("budget", [Budget(ops=250e3), Budget(bops=2e6, size_bytes=6e3),
                                    Budget(peak_bytes=60e3)], ids=str)
def test_references_are_as_large_as_the_budget_allows(name, budget):
    network = references.make(name, SPACE, budget, SHAPE, CLASSES)
    cost, model = references.cost(network, SHAPE, CLASSES), build_network(network, SHAPE, CLASSES)
    profile = lq.models.ModelProfile(model)
    assert (cost.bops, cost.flops) == (profile.op_count("mac", 1), profile.op_count("mac", 32))
    assert cost.params == profile.weight_count() and budget.allows(cost)
    assert model.output_shape == (None, CLASSES)
    if isinstance(network, QuickNet):
        wider = QuickNet.of_width(SPACE, network.filters[-1] + 1)
    elif name == "resnet":
        channels = [network.space.node_channels(stage).size for stage in range(3)]
        assert network == backbones.backbone(network.space) and channels[0] < channels[1] < channels[2]
        wider = references.residual(SPACE, tuple((channels[0] + 1) * c for c in (1, 2, 4)))
    else:
        nodes = [network.space.node_channels(s).count(w) >> s for s, w in enumerate(network.widths)]
        wider = references.uniform(SPACE, (max(nodes) + 1,) * SPACE.num_stages)
        assert max(nodes) - min(nodes) <= 1
        assert network.shares() == {"none": 0, "skip": 0, "bin_conv_3x3": 1}
        assert network.depths == tuple(len(SPACE.chain(s)) for s in range(SPACE.num_stages))
        assert network.space.stem_channels == 8
    assert not budget.allows(references.cost(wider, SHAPE, CLASSES))


def test_references_of_a_backbone():
    """As it is, and widened within the overhead: more of it is used, of one measure nearly all."""
    space = nasb("resnet20")
    tables = complexity.cost_tables(space, (32, 32, 3), CLASSES)
    budget, base = overhead.budget(Budget(), "0.1", tables), backbones.backbone(space)
    assert references.make("backbone", space, budget, (32, 32, 3), CLASSES) == base
    widened = references.make("widened", space, budget, (32, 32, 3), CLASSES)
    above = overhead.of(references.cost(widened, (32, 32, 3), CLASSES), complexity.cost(base, tables))
    assert all(share <= 0.1 for share in above.values()) and max(above.values()) > 0.08
    wider = overhead.budget(Budget(), "1.0", tables)
    assert wider.used(references.cost(references.make("widened", space, wider, (32, 32, 3), CLASSES), (32, 32, 3),
                                      CLASSES)) > 0.97
    with pytest.raises(ValueError, match="smallest network is above"):
        references.make("backbone", space, Budget(bops=1e6), (32, 32, 3), CLASSES)
    with pytest.raises(ValueError, match="has no backbone"):
        references.make("widened", SPACE, Budget(bops=1e6), SHAPE, CLASSES)


@pytest.mark.parametrize("name", OF_BARS)
def test_references_that_cannot_be_made(name):
    with pytest.raises(ValueError, match="smallest network is above the budget bops=100"):
        references.make(name, SPACE, Budget(bops=100), SHAPE, CLASSES)
    with pytest.raises(ValueError, match="no convolution"):
        references.make("bars_uniform", SPACE.replace(primitives=("none", "skip")), Budget(bops=1e6), SHAPE, CLASSES)


def test_a_uniform_network_of_kernels_with_a_scale():
    """The scale is computed over all channels of a stage, so there is one width."""
    space, budget = SPACE.replace(width_choices=(1.0,), kernel_quantizer="magnitude_aware_sign"), Budget(ops=250e3)
    network = references.make("bars_uniform", space, budget, SHAPE, CLASSES)
    assert network.widths == (1.0,) * space.num_stages
    assert 0.8 < budget.used(references.cost(network, SHAPE, CLASSES)) <= 1


def test_a_quicknet_is_saved_and_loaded_as_any_other_network(tmp_path, rng):
    model = build_network(QuickNet.of_width(SPACE, 12), SHAPE, CLASSES)
    files.save_model(model, tmp_path / "model.h5")
    images = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(evaluate.load_model(str(tmp_path / "model.h5"))(images), model(images))
    twin = build_network(QuickNet.of_width(SPACE, 12), SHAPE, CLASSES, precision="float")
    assert not any(isinstance(layer, lq.layers.QuantConv2D) for layer in twin.layers)


@pytest.mark.parametrize("name", OF_BARS)
def test_references_have_a_longer_stem_where_the_budget_allows(name):
    space = SPACE.replace(stem="conv_3x3_2")
    assert references.make(name, space, Budget(bops=1e6), SHAPE, CLASSES).space.stem == "cifar_2"
    cheap = references.make(name, space, Budget(flops=10e3), SHAPE, CLASSES)
    assert cheap.space.stem == "conv_3x3_2"
    assert references.cost(cheap, SHAPE, CLASSES).flops <= 10e3


def test_the_default_space_holds_quicknet():
    """But for the ReLU before its classifier: its blocks are cells, its transitions shortcuts of reduction cells."""
    space = BARS.replace(stem="cifar_2", stem_channels=16)
    topologies = tuple((() if group == "reduction" else ((0, "bin_conv_3x3"),),) for group in space.groups)
    genotype = Genotype(space, (0.5,) * 3, (QuickNet.blocks,) * 3, topologies)
    model, quicknet = (build_network(net, (32, 32, 3), CLASSES)
                       for net in (genotype, QuickNet.of_width(space, 64)))
    assert [w.shape for w in model.weights] == [w.shape for w in quicknet.weights]
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    model.set_weights(quicknet.get_weights())
    features = [tf.keras.Model(net.input, net.layers[-3 - relu].output)(images)
                for relu, net in enumerate((model, quicknet))]
    np.testing.assert_allclose(*features, atol=1e-4)


def test_the_blur_is_quicknets(rng):
    """Two averages of 2x2 are the kernel (1 2 1) that larq_zoo's QuickNet blurs with, away from the border."""
    from bars_tf.network.keras_network import KerasOps

    image = tf.constant(rng.normal(size=(1, 8, 8, 2)), tf.float32)
    ops = KerasOps(QuickNet.of_width(SPACE, 8), CLASSES)
    blurred = ops.average_pool(ops.pool(image, "avg_pool", 2))
    kernel = np.repeat(np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16, 2, axis=2).astype(np.float32)
    expected = tf.nn.depthwise_conv2d(image, kernel, (1, 2, 2, 1), "VALID")
    np.testing.assert_allclose(blurred[:, :3, :3], expected, atol=1e-6)
