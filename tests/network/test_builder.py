"""The cells, beside the networks that they are written after."""

import numpy as np
import pytest
from small_spaces import (
    CLASSES,
    NASB,
)

from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.keras_network import build_network
from bars_tf.space import backbones


@pytest.mark.parametrize("num_paths", [1, 2])
def test_without_edges_a_space_is_its_backbone(num_paths, rng):
    """As a Bi-Real network that is written down here layer by layer."""
    space = NASB.replace(num_paths=num_paths)
    model = build_network(backbones.backbone(space), (15, 13, 3), CLASSES)
    x = image = tf.keras.layers.Input((15, 13, 3))
    names = iter(layer.name for layer in model.layers if layer.weights)

    def normalized(x):
        return tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)(x)

    def binary(x, filters, strides):
        return normalized(lq.layers.QuantConv2D(
            filters, 3, strides=strides, padding="same", pad_values=1.0, input_quantizer="approx_sign",
            kernel_quantizer="ste_sign", use_bias=False)(x))

    x = normalized(tf.keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
    for filters, strides, repeats in space.backbone:
        for repeat in range(repeats):
            shortcut = x
            if not repeat and (strides == 2 or filters != x.shape[-1]):
                shortcut = tf.keras.layers.AveragePooling2D(2, padding="same")(x) if strides == 2 else x
                shortcut = normalized(tf.keras.layers.Conv2D(filters, 1, use_bias=False)(shortcut))
            paths = [binary(x if num_paths == 1 else normalized(x), filters, 1 if repeat else strides)
                     for _ in range(num_paths)]
            x = tf.keras.layers.Add()([*paths, shortcut])
    logits = tf.keras.layers.Dense(CLASSES)(tf.keras.layers.GlobalAveragePooling2D()(x))
    written = tf.keras.Model(image, logits)
    given = [v for layer in model.layers for v in layer.weights]
    for variable in given:
        variable.assign(rng.uniform(0.2, 1, variable.shape) * rng.choice([-1, 1], variable.shape)
                        if "variance" not in variable.name else rng.uniform(5, 10, variable.shape))
    shapes = {name: [tuple(w.shape) for w in model.get_layer(name).weights] for name in names}
    # Layers of the same shapes come in the same order in both.
    for layer in written.layers:
        if layer.weights:
            name = next(n for n, s in shapes.items() if s == [tuple(w.shape) for w in layer.weights])
            del shapes[name]
            layer.set_weights(model.get_layer(name).get_weights())
    assert not shapes
    images = rng.normal(size=(4, 15, 13, 3)).astype(np.float32)
    np.testing.assert_allclose(model(images), written(images), atol=1e-4)
    theirs, tables = lq.models.ModelProfile(written), cost_tables(space, (15, 13, 3), CLASSES)
    cost = cost_of(backbones.backbone(space), tables)
    assert (cost.bops, cost.flops, cost.params) == (
        theirs.op_count("mac", 1), theirs.op_count("mac", 32), theirs.weight_count())
