"""The fast form of the supernet computes what a plain one does."""

import numpy as np
import pytest

from bars_tf.legacy_keras import lq, tf
from bars_tf.search.supernet import shared_weights
from bars_tf.search.supernet.factory import SupernetFactory
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.search.supernet.widths import Widths
from bars_tf.space.presets import BARS_PAPER

# Without max pooling on edges, whose gradient goes elsewhere where rounding breaks a tie; that of the transition has
# ties of zeros alone, which have no gradient.
SPACE = BARS_PAPER.replace(
    init_channels=4, layout="NR", num_nodes=2, width_choices=(0.5, 1.0), reduction_shortcut="transition",
    primitives=("none", "skip", "bin_conv_1x1", "bin_conv_3x3", "bin_dil_conv_3x3", "bin_dil_conv_5x5", "avg_pool_3x3"))


class PlainFactory(SupernetFactory):
    """Slices, pads, convolutions, moments and sums whose gradients TensorFlow finds by itself; widths are masks."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._widths = Widths(self.space, self.sample.choices.widths, sliced=False)

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        layer, mask = self.layers[name], self._widths.mask_of(source)
        x = tf.pad(x, layer._get_padding_same(x), constant_values=1.0)
        with lq.context.quantized_scope(True):
            kernel = tf.convert_to_tensor(layer.kernel)
        return tf.nn.convolution(x if self._sub_batch is None else x[: self._sub_batch.size[0]],
                                 kernel if mask is None else kernel * mask, layer.strides, "VALID",
                                 dilations=layer.dilation_rate)

    def batch_norm(self, x, channels, name, scale=None):
        layer = self.layers[name]
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        y = layer.affine[0] * (x - mean) / tf.sqrt(variance + 1e-3) + layer.affine[1]
        if self.mode == "train":
            counts, mask = 1.0 if self._sub_batch is None else self._sub_batch.counts, self._widths.mask_of(channels)
            counts = counts if mask is None else counts * tf.stop_gradient(mask[:, 0])
            layer.moving.assign_add(tf.stop_gradient(tf.stack([mean, variance]) - layer.moving) * 0.1 * counts)
        return y if scale is None else y * scale

    def _sum(self, total, terms):
        for _, term in terms:
            total += tf.pad(term, [[0, tf.shape(total)[0] - tf.shape(term)[0]]] + [[0, 0]] * 3)
        return total


@pytest.fixture
def float64():
    tf.keras.backend.set_floatx("float64")
    yield
    tf.keras.backend.set_floatx("float32")


def steps(ops, number, images, labels, monkeypatch):
    """Weights, statistics and alphas after sampled steps."""
    monkeypatch.setattr(shared_weights, "SupernetFactory", SupernetFactory)
    tf.keras.utils.set_random_seed(0)
    net = Supernet(SPACE, images.shape[1:], 3)
    net.compile(tf.keras.optimizers.legacy.SGD(0.05), tf.keras.optimizers.legacy.SGD(0.5))
    monkeypatch.setattr(shared_weights, "SupernetFactory", ops)

    @tf.function(autograph=False)
    def pair():
        net.weight_step(images, labels)
        net.arch_step(images[::-1], labels[::-1])
        net.search_step.assign_add(1)

    for _ in range(number):
        pair()
    return {v.name: v.numpy() for v in [*net.variables, *net.arch_variables]}


def test_fast_form_is_the_plain_one(float64, monkeypatch, rng):
    """After 20 sampled steps in float64, the same draws lead to the same weights and alphas."""
    labels = tf.constant(rng.integers(0, 3, 8))
    images = tf.constant(rng.normal(size=(8, 9, 8, 1)))
    plain, fast = (steps(ops, 20, images, labels, monkeypatch) for ops in (PlainFactory, SupernetFactory))
    assert plain.keys() == fast.keys() and len(fast) > 50
    for name, value in plain.items():
        np.testing.assert_allclose(fast[name], value, atol=1e-9, err_msg=name)
