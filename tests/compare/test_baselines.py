"""Hand-made networks as large as a budget allows."""

import numpy as np
import pytest

from bars_tf.compare import baselines
from bars_tf.cost import overhead
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_at, cost_of, cost_tables
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.keras_network import KerasFactory, build_network
from bars_tf.network.layer_list import layers_of
from bars_tf.space import backbones
from bars_tf.space.backbones import nasb
from bars_tf.space.genotype import uniform
from bars_tf.space.presets import BARS, BARS_SMALL

SHAPE, CLASSES = (28, 28, 1), 10
SPACE = BARS_SMALL.replace(init_channels=8, stem_channels=8, num_nodes=2, layout="NRN")


OF_BARS = tuple(baselines.BY_STEPS)


@pytest.mark.parametrize("name", OF_BARS)
@pytest.mark.parametrize("budget", [Budget(ops=250e3), Budget(bops=2e6, size_bytes=6e3),
                                    Budget(peak_bytes=60e3)], ids=str)
def test_references_are_as_large_as_the_budget_allows(name, budget):
    network = baselines.make(name, SPACE, budget, SHAPE, CLASSES)
    cost, model = cost_at(network, SHAPE, CLASSES), build_network(network, SHAPE, CLASSES)
    profile = lq.models.ModelProfile(model)
    assert (cost.bops, cost.flops) == (profile.op_count("mac", 1), profile.op_count("mac", 32))
    assert cost.params == profile.weight_count() and budget.allows(cost)
    assert model.output_shape == (None, CLASSES)
    steps = [network.space.node_channels(s).count(w) >> s for s, w in enumerate(network.widths)]
    assert max(steps) - min(steps) <= 1 and network.space.stem_channels == 8
    assert not budget.allows(cost_at(baselines.BY_STEPS[name](SPACE, (max(steps) + 1,) * len(steps)), SHAPE, CLASSES))
    if name in ("resnet", "bireal"):
        assert network == backbones.backbone(network.space)
        # A ReLU behind each of the twelve binary convolutions, or none.
        assert sum(isinstance(layer, tf.keras.layers.ReLU) for layer in model.layers) == 1 + 12 * (name == "resnet")
    elif name == "bars_uniform":
        assert network.primitive_fractions() == {"none": 0, "skip": 0, "bin_conv_3x3": 1}
        assert network.depths == (baselines.USUAL_BLOCKS,) * SPACE.num_stages


def test_references_of_a_backbone():
    """As it is, and widened within the overhead: more of it is used, of one measure nearly all."""
    space = nasb("resnet20")
    tables = cost_tables(space, (32, 32, 3), CLASSES)
    budget, base = overhead.budget(Budget(), "0.1", tables), backbones.backbone(space)
    assert baselines.make("backbone", space, budget, (32, 32, 3), CLASSES) == base
    widened = baselines.make("widened", space, budget, (32, 32, 3), CLASSES)
    above = overhead.overhead_of(cost_at(widened, (32, 32, 3), CLASSES), cost_of(base, tables))
    assert all(share <= 0.1 for share in above.values()) and max(above.values()) > 0.08
    wider = overhead.budget(Budget(), "1.0", tables)
    assert wider.used(cost_at(baselines.make("widened", space, wider, (32, 32, 3), CLASSES), (32, 32, 3),
                                      CLASSES)) > 0.97
    with pytest.raises(ValueError, match="smallest network is above"):
        baselines.make("backbone", space, Budget(bops=1e6), (32, 32, 3), CLASSES)
    with pytest.raises(ValueError, match="has no backbone"):
        baselines.make("widened", SPACE, Budget(bops=1e6), SHAPE, CLASSES)


@pytest.mark.parametrize("name", OF_BARS)
def test_references_that_cannot_be_made(name):
    with pytest.raises(ValueError, match="smallest network is above the budget bops=100"):
        baselines.make(name, SPACE, Budget(bops=100), SHAPE, CLASSES)
    with pytest.raises(ValueError, match="no convolution"):
        baselines.make("bars_uniform", SPACE.replace(primitives=("none", "skip")), Budget(bops=1e6), SHAPE, CLASSES)


def test_a_uniform_network_of_kernels_with_a_scale():
    """The scale is computed over all channels of a stage, so there is one width."""
    space, budget = SPACE.replace(width_choices=(1.0,), kernel_quantizer="magnitude_aware_sign"), Budget(ops=250e3)
    network = baselines.make("bars_uniform", space, budget, SHAPE, CLASSES)
    assert network.widths == (1.0,) * space.num_stages
    assert 0.8 < budget.used(cost_at(network, SHAPE, CLASSES)) <= 1


def test_the_depth_of_a_baseline_is_a_parameter():
    for name, convolutions in (("quicknet", 3 * SPACE.num_stages), ("resnet", 3 * 2 * 3)):
        network = baselines.make(name, SPACE, Budget(bops=2e6), SHAPE, CLASSES, blocks=3)
        assert sum(layer.kind == "binary_conv" for layer in layers_of(network, SHAPE, CLASSES).values()) == convolutions


@pytest.mark.parametrize("name", OF_BARS)
def test_a_baseline_in_every_depth_that_the_budget_allows(name):
    space, budget = SPACE.replace(stem="conv_3x3_2"), Budget(bops=600e3, flops=50e3)
    found = baselines.depths(name, space, budget, SHAPE, CLASSES)
    assert list(found) == [f"{name}_{blocks}" for blocks in range(1, len(found) + 1)] and len(found) > 1
    for blocks, (network, longer) in enumerate(found.values(), 1):
        assert network == baselines.make(name, space, budget, SHAPE, CLASSES, blocks)
        assert network.space.stem == "conv_3x3_2" and (longer is None or longer.space.stem == "cifar_2")
        assert all(budget.allows(cost_at(g, SHAPE, CLASSES)) for g in (network, longer) if g)
    with pytest.raises(ValueError, match="smallest network is above the budget bops=100"):
        baselines.depths(name, space, Budget(bops=100), SHAPE, CLASSES)


def test_quicknet_of_two_blocks_at_4_million_binary_operations():
    """By hand: 6 convolutions of 665,856 binary multiply-accumulates; stem, two transitions and classifier."""
    space = BARS.replace(stem="conv_3x3_2", stem_channels=16)
    found = cost_at(baselines.make("quicknet", space, Budget(bops=4e6, flops=200e3), (32, 32, 3), CLASSES),
                    (32, 32, 3), CLASSES)
    assert (found.bops, found.flops) == (3_995_136, 192_168)


@pytest.mark.parametrize("shape", [(32, 32, 3), (15, 13, 1)], ids=str)
def test_quicknet_written_down_layer_by_layer(shape, rng):
    """The genotype's network computes the same with the same weights; Larq's profile of the written one is its cost."""
    layers, steps = tf.keras.layers, (6, 5, 7)
    genotype = baselines.quicknet_of(BARS.replace(stem="cifar_2", stem_channels=16), steps, blocks=2)
    image = layers.Input(shape)

    def normalized(x):
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-3)(x)

    def block(x):
        y = lq.layers.QuantConv2D(
            x.shape[-1], 3, padding="same", pad_values=1.0, input_quantizer=lq.quantizers.SteSign(clip_value=1.3),
            kernel_quantizer="ste_sign", use_bias=False)(x)
        return layers.Add()([normalized(layers.ReLU()(y)), x])

    def transition(x, filters):
        x = layers.MaxPooling2D(2, 1, padding="same")(layers.ReLU()(x))
        x = layers.AveragePooling2D(2, 1, padding="same")(x)  # with the next a blur
        x = layers.AveragePooling2D(2, 2, padding="same")(x)
        return normalized(layers.Conv2D(filters, 1, use_bias=False)(x))

    x = normalized(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(image))
    x = normalized(layers.Conv2D(6, 1, use_bias=False)(layers.ReLU()(x)))
    for section, filters in enumerate((6, 10, 28)):
        x = transition(x, filters) if section else x
        x = block(block(x))
    logits = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(layers.ReLU()(x)))
    written, model = tf.keras.Model(image, logits), build_network(genotype, shape, CLASSES)
    assert [w.shape for w in model.weights] == [w.shape for w in written.weights] and model.name == "quicknet"
    weights = [rng.uniform(0.2, 1, w.shape) if "variance" in w.name else rng.normal(size=w.shape)
               for w in written.weights]
    model.set_weights(weights)
    written.set_weights(weights)
    images = rng.normal(size=(3, *shape)).astype(np.float32)
    np.testing.assert_allclose(model(images), written(images), atol=1e-4)
    cost, profile = cost_at(genotype, shape, CLASSES), lq.models.ModelProfile(written)
    assert (cost.bops, cost.flops) == (profile.op_count("mac", 1), profile.op_count("mac", 32))
    assert (cost.params, cost.size_bytes * 8) == (profile.weight_count(), profile.memory)


def test_the_blur_is_quicknets(rng):
    """Two averages of 2x2 are the kernel (1 2 1) that larq_zoo's QuickNet blurs with, away from the border."""
    image = tf.constant(rng.normal(size=(1, 8, 8, 2)), tf.float32)
    factory = KerasFactory(uniform(SPACE), CLASSES)
    blurred = factory.average_pool(factory.pool(image, "avg_pool", 2))
    kernel = np.repeat(np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16, 2, axis=2).astype(np.float32)
    expected = tf.nn.depthwise_conv2d(image, kernel, (1, 2, 2, 1), "VALID")
    np.testing.assert_allclose(blurred[:, :3, :3], expected, atol=1e-6)
