"""The fast form of the supernet computes what a plain one does; and `bin/bench` works (its times are not tested)."""

import json
import subprocess
import sys

import numpy as np
import pytest

from bars_tf.cli import bench as cli_bench
from bars_tf.cli import command_line
from bars_tf.errors import InputError
from bars_tf.legacy_keras import lq, tf
from bars_tf.search.supernet import supernet
from bars_tf.search.supernet.factory import SupernetFactory
from bars_tf.search.supernet.layers import BatchNorm, MaskedQuantConv2D
from bars_tf.search.supernet.partial_batches import SubBatch
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
    monkeypatch.setattr(supernet, "SupernetFactory", SupernetFactory)
    tf.keras.utils.set_random_seed(0)
    net = supernet.Supernet(SPACE, images.shape[1:], 3)
    net.compile(tf.keras.optimizers.legacy.SGD(0.05), tf.keras.optimizers.legacy.SGD(0.5))
    monkeypatch.setattr(supernet, "SupernetFactory", ops)

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


def test_steps_with_1x1_convolutions_at_stride_2(rng):
    """TensorFlow's own kernel of their gradient corrupts memory, most of all on one image."""
    code = """
import numpy as np
from bars_tf import Supernet, spaces
from bars_tf.legacy_keras import tf
space = spaces.BARS_PAPER.replace(init_channels=8, layout="R", num_nodes=2, primitives=("none", "skip", "bin_conv_1x1"))
net = Supernet(space, (16, 16, 3), 10)
net.compile("adam", "adam")
step = tf.function(net.weight_step, autograph=False)
for i in range(60):
    net.search_step.assign_add(1)
    step(tf.zeros((3, 16, 16, 3)), tf.zeros(3, tf.int64))
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_candidates_are_scored_by_two_graphs(rng):
    """One recalibrates and one scores, whatever the genotype and whatever the size of a batch."""
    class Counted(supernet.Supernet):
        traced = 0

        def call(self, images, sample=None, mode="eval", fraction=None):
            self.traced += 1
            return super().call(images, sample, mode, fraction)

    net = Counted(SPACE, (8, 8, 3), 10)
    net.traced = 0
    batches = [(rng.normal(size=(n, 8, 8, 3)).astype(np.float32), rng.integers(0, 10, n)) for n in (6, 6, 3)]
    batches = [tuple(map(tf.constant, batch)) for batch in batches]
    net.compile()
    net.derive(batches, num_samples=2)
    assert net.traced == 2


@pytest.mark.parametrize("scale", [None, 0.7])
def test_batch_norm_in_float32(scale, rng):
    """The fused form has the gradients of Keras's layer."""
    x = tf.constant(rng.normal(1, 2, (6, 5, 4, 3)), tf.float32)
    upstream = tf.constant(rng.normal(size=x.shape), tf.float32)
    ours, stock = BatchNorm(0.9, 1e-3), tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    ours(x), stock(x)  # makes the variables
    ours.affine.assign([[1.0, 2.0, -0.5], [0.1, 0.2, 0.3]])
    stock.set_weights([*ours.affine.numpy(), *ours.moving.numpy()])
    gradients = []
    for layer, run in ((ours, lambda: ours(x, mode="train", scale=scale)),
                       (stock, lambda: stock(x, training=True) * (scale or 1.0))):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = run()
        variables = [layer.affine] if layer is ours else [layer.gamma, layer.beta]
        to_x, *to_variables = tape.gradient(y, [x, *variables], upstream)
        gradients.append([y, to_x, tf.reshape(tf.stack(to_variables), [-1])])
    for a, b in zip(*gradients):
        np.testing.assert_allclose(a, b, atol=1e-4)
    np.testing.assert_allclose(ours.moving, [stock.moving_mean, stock.moving_variance], atol=1e-5)


KEYS = {"roofline_gflops", "sampled_pair_seconds", "soft_pair_seconds", "sampled_roofline_share", "sampled_mac_ratio",
        "sampled_pair_seconds_by_candidates", "first_pair_seconds", "sampled_peak_bytes", "train_peak_bytes",
        "train_step_seconds", "train_roofline_share", "pipeline_images_per_second", "train_images_per_second",
        "settings", "machine"}


def test_bench(program):
    done = program("bench", "--quick", "--json", "--space=bars_paper", "--layout=N", "--num_nodes=1",
                   "--init_channels=4", "--batch_size=4", "--image_size=8", "--rounds=1")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results.keys() >= KEYS
    assert results["sampled_pair_seconds_by_candidates"].keys() >= {"3", "5"}
    assert all(value > 0 for name, value in results.items() if isinstance(value, float))


@pytest.mark.parametrize("flags, words", [
    (["--primitives=none,skip"], "--primitives=none,skip: has no convolution"),
    (["--stem=imagenet_8", "--image_size=8"], "--image_size=8: its strides make one pixel of")])
def test_what_cannot_be_measured(flags, words):
    with pytest.raises(InputError, match=words):
        cli_bench.main(command_line.parse("bench", [*flags, "--quick"]))


@pytest.mark.parametrize("mode", ["train", "arch"])
def test_a_convolution_that_is_not_chosen_is_left_out(mode):
    """Its kernel is not seen: with one of no numbers come zeros, forward and back."""
    layer = MaskedQuantConv2D(4, 3, padding="same", pad_values=1.0, use_bias=False)
    layer.build((None, 5, 5, 3))
    mask = tf.ones([3, 1]) if mode == "arch" else None

    def pad(images, paddings):
        return tf.pad(images, [[0, 0], *paddings, [0, 0]])

    def gradients(images, chosen):
        share = tf.constant([1 if chosen else 0])
        size = tf.maximum(share * tf.shape(images)[0], 1)
        sub_batch = SubBatch(tf.cast(share[0], tf.float32), share[0] > 0, share[0] > 0, share[0] > 0, size, size,
                    tf.pad((tf.shape(images)[0] - size)[:, None], [[0, 3], [1, 0]]), tf.constant([0]),
                             tf.constant([1]))
        with tf.GradientTape() as tape:
            tape.watch([images] if mask is None else [images, mask])
            result = layer(images, pad=pad, mode=mode, input_mask=mask, sub_batch=sub_batch)
        return result, *tape.gradient(result, [images, layer.kernel if mask is None else mask])

    for run in (gradients, tf.function(gradients)):
        layer.kernel.assign(tf.fill([3, 3, 3, 4], np.nan))
        result, to_images, to_learnt = run(tf.ones([2, 5, 5, 3]), False)
        assert result.shape == (1, 5, 5, 4) and to_images.shape == (2, 5, 5, 3)
        assert not any(np.any(value) for value in (result, to_images, to_learnt))
        layer.kernel.assign(tf.ones([3, 3, 3, 4]))
        result, *learnt = run(tf.ones([2, 5, 5, 3]), True)
        assert result.shape == (2, 5, 5, 4) and np.any(result) and all(np.any(value) for value in learnt)
