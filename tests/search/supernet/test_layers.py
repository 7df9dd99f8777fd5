"""The layers of the supernet."""

import subprocess
import sys

import numpy as np
import pytest

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.compute_plan import SubBatch
from bars_tf.search.supernet.layers import BatchNorm, MaskedQuantConv2D


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
        paddings = tf.pad((tf.shape(images)[0] - size)[:, None], [[0, 3], [1, 0]])
        sub_batch = SubBatch(tf.cast(share[0], tf.float32), share[0] > 0, share[0] > 0, share[0] > 0, size, size,
                             paddings, tf.constant([0]), tf.constant([1]))
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
