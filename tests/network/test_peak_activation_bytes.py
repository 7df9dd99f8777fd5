"""Memory of activations, by hand."""

import pytest

from bars_tf.network.layers import Layer, peak_activation_bytes

SHAPE = (2, 2, 5)  # 20 elements, 80 bytes


def test_tensors_live_from_their_layer_to_the_last_reader():
    layers = {0: Layer("image", (), SHAPE), 1: Layer("conv", (0,), SHAPE), 2: Layer("conv", (1,), SHAPE)}
    assert peak_activation_bytes(layers) == 160
    layers[3] = Layer("add", (2, 0), SHAPE)  # a shortcut, which lives as long
    assert peak_activation_bytes(layers) == 240


@pytest.mark.parametrize("kind", ["relu", "batch_norm"])
def test_elementwise_layers_overwrite_an_input_that_nobody_else_reads(kind):
    layers = {0: Layer("image", (), SHAPE), 1: Layer(kind, (0,), SHAPE)}
    assert peak_activation_bytes(layers) == 80
    layers[2] = Layer("add", (0, 1), SHAPE)
    assert peak_activation_bytes(layers) == 240


def test_signs_are_not_stored():
    layers = {0: Layer("image", (), SHAPE), 1: Layer("binary_conv", (0,), (2, 2, 1), 5, (3, 3))}
    assert peak_activation_bytes(layers) == 96
