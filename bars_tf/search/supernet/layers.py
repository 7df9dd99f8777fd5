"""The supernet's layers: those of the derived network, for widths that are not decided yet.

A width acts on the *input channels of kernels*: a sampled one slices them (see `widths`), a relaxed one masks
them. Masking values before the sign would leave sign(0) = 1, masking them after it would leave the padding of ones; a
masked kernel sees neither. The values of masked output channels do not matter, since every later kernel masks them.
"""

import functools
from typing import NamedTuple

from bars_tf.legacy_keras import lq, tf
from bars_tf.search.supernet.branches import Branches
from bars_tf.search.supernet.widths import value_of
from bars_tf.training.distribution import replicas


class MaskedQuantConv2D(lq.layers.QuantConv2D):
    """A `QuantConv2D` of inputs that are binary already, with a width on its input channels, on a sub-batch."""

    def call(self, inputs, pad, channels=None, input_mask=None, mode="eval", sub_batch=None):
        """Returns the convolution [size, H', W', filters] of the images of a sub-batch.

        The gradient is that of what the step trains: in mode "arch" (see `BatchNorm`) of the mask, else of the kernel.
        Either costs one convolution less than both.

        Args:
            inputs: binary images [B, H, W, C].
            pad: function of (inputs, [row paddings, column paddings]) that pads with ones; passed in, so that
                convolutions of one tensor share its padded form.
            channels, input_mask: `ChannelSlice` of the kernel, or mask of a relaxed width [C, 1].
        """
        padded = pad(inputs, self._get_spatial_padding_same(inputs.shape[1:3].as_list()))
        with lq.context.quantized_scope(True):
            kernel = value_of(self.kernel, channels)
        if mode == "arch" and input_mask is not None:
            return self._with_gradient(padded, input_mask, sub_batch, tf.stop_gradient(kernel))
        return self._with_gradient(padded, masked(kernel, input_mask), sub_batch)

    def _with_gradient(self, padded, trained, sub_batch, kernel=None):
        """The convolution with the kernel `trained`, or with the given kernel times the mask `trained`."""
        convolution = _Convolution(tuple(self.strides), tuple(self.dilation_rate), trains_kernel=kernel is None)

        @tf.custom_gradient
        def run(padded, trained):
            x = padded if sub_batch is None else sub_batch.take(padded)
            outputs = convolution.forward(x, trained if kernel is None else kernel * trained, sub_batch)

            def gradient(upstream):
                x = padded
                if sub_batch is not None:
                    x, upstream = sub_batch.take_backward(padded), sub_batch.take_backward(upstream)
                to_x, *to_trained = convolution.backward(x, trained if kernel is None else kernel, upstream, sub_batch)
                if kernel is not None:
                    to_trained = [tf.reduce_sum(x * to_x, [0, 1, 2])[:, None]]
                    to_x *= trained[:, 0]
                return (to_x if sub_batch is None else tf.pad(to_x, sub_batch.paddings)), *to_trained

            return outputs, gradient

        return run(padded, trained)


class _Convolution(NamedTuple):
    """A convolution without padding, skipped where a sub-batch computes or learns nothing: zeros take its place."""

    strides: tuple[int, int]
    dilations: tuple[int, int]
    trains_kernel: bool  # else the gradient is that of the input alone

    def __call__(self, x, kernel):
        return tf.nn.convolution(x, kernel, self.strides, "VALID", dilations=self.dilations)

    def gradients(self, x, kernel, upstream):
        watched = [x, kernel] if self.trains_kernel else [x]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            again = self(x, kernel)  # only the operations of its gradient stay in the graph
        return tape.gradient(again, watched, upstream)

    def forward(self, x, kernel, sub_batch):
        if sub_batch is None or sub_batch.computes is None:
            return self(x, kernel)
        size = tuple(-((d * (k - 1) - n) // s) for n, k, d, s in zip(
            x.shape[1:3], kernel.shape, self.dilations, self.strides))
        (result,) = _forward_branches(self, size, x.dtype)(
            sub_batch.computes, [x, kernel], [[None, *size, kernel.shape[-1]]])
        return result

    def backward(self, x, kernel, upstream, sub_batch):
        if sub_batch is None or sub_batch.computes is None:
            return self.gradients(x, kernel, upstream)
        shapes = [x.shape, kernel.shape][:1 + self.trains_kernel]
        return _backward_branches(self, x.dtype)(sub_batch.learns, [x, kernel, upstream], shapes)


@functools.lru_cache(None)
def _forward_branches(convolution, size, dtype):
    return Branches.of(convolution, lambda x, kernel: tf.zeros([1, *size, tf.shape(kernel)[-1]], dtype), dtype, 2)


@functools.lru_cache(None)
def _backward_branches(convolution, dtype):
    return Branches.of(convolution.gradients, lambda x, kernel, upstream: (
        [tf.zeros_like(x), tf.zeros_like(kernel)][:1 + convolution.trains_kernel]), dtype, 3)


class MaskedDense(tf.keras.layers.Dense):
    """A dense layer whose input channels a width slices, or multiplies by a mask [inputs, 1]."""

    def call(self, inputs, channels=None, input_mask=None):
        return tf.matmul(inputs, masked(value_of(self.kernel, channels), input_mask)) + self.bias


def masked(kernel: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Returns a kernel [..., inputs, outputs] times the mask [inputs, 1], if there is one."""
    return kernel if mask is None else kernel * tf.cast(mask, kernel.dtype)


class BatchNorm(tf.keras.layers.Layer):
    """Batch normalization that separates which statistics it uses from which it updates.

    Keras's own ties the two together; here the arch step needs batch statistics without changing the moving ones, and
    recalibration needs a plain average. Under a policy of mixed precision, statistics and variables are float32, as
    Keras's. The modes of `call`:

    - "train": batch statistics; the moving ones m change by (1 - momentum) * (batch - m);
    - "arch": batch statistics; the moving ones stay;
    - "calibrate": batch statistics; the moving ones m change by fraction * (batch - m);
    - "eval": moving statistics.
    """

    def __init__(self, momentum: float, epsilon: float, **kwargs):
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, input_shape):
        size = input_shape[-1]
        # Gamma and beta in one variable, mean and variance in another: half as many operations update them.
        self.affine = self.add_weight("affine", (2, size), initializer=_rows(1.0, 0.0), experimental_autocast=False)
        self.moving = self.add_weight(
            "moving", (2, size), initializer=_rows(0.0, 1.0), trainable=False, experimental_autocast=False,
            aggregation=tf.VariableAggregation.MEAN, synchronization=tf.VariableSynchronization.ON_READ)

    def call(self, inputs, mode="eval", scale=None, fraction=None, counts=None, channels=None):
        """Returns the normalized inputs [B, H, W, C].

        Args:
            inputs: images [B, H, W, C].
            mode, fraction: one of the modes above, and the scalar of "calibrate".
            scale: scalar that multiplies the result; None: 1.
            counts: scalar 1.0, or 0.0 where the inputs are of a candidate that is not computed on this replica, and
                have no weight in any statistics; None: 1.
            channels: `ChannelSlice` of the variables.
        """
        affine = value_of(self.affine, channels)
        gamma, beta = tf.unstack(affine if scale is None else affine * tf.cast(scale, affine.dtype))
        values = tf.cast(inputs, affine.dtype)
        if mode == "eval":
            mean, variance = tf.unstack(value_of(self.moving, channels))
            factor = gamma * tf.math.rsqrt(variance + self.epsilon)
            return tf.cast(values * factor + (beta - mean * factor), inputs.dtype)
        if replicas() == 1 and affine.dtype == tf.float32:  # in which alone the fused kernel computes
            outputs, mean, variance = _fused(inputs, gamma, beta, self.epsilon)
        else:
            mean, variance = (_moments_of_all_replicas(values, counts) if replicas() > 1 else
                              tf.nn.moments(values, [0, 1, 2]))
            outputs = tf.nn.batch_normalization(values, mean, variance, beta, gamma, self.epsilon)
            outputs = tf.cast(outputs, inputs.dtype)
        if mode != "arch":
            step = 1.0 - self.momentum if mode == "train" else fraction
            step = step if counts is None else step * counts
            change = (tf.stop_gradient(tf.stack([mean, variance])) - value_of(self.moving, channels)) * step
            self.moving.assign_add(change if channels is None else channels.restore(change))
        return outputs


def _rows(*values):
    """An initializer of a variable [rows, channels]."""
    return lambda shape, dtype: tf.constant(values, dtype)[:, None] + tf.zeros(shape, dtype)


def _moments_of_all_replicas(inputs, counts):
    """Mean and variance [C] of inputs [B, H, W, C] over the batches of all replicas that count, with a gradient."""
    count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], inputs.dtype)
    sums = tf.concat([tf.reduce_sum(inputs, [0, 1, 2]), tf.reduce_sum(inputs ** 2, [0, 1, 2]), [count]], 0)
    sums = tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, sums if counts is None else sums * counts)
    mean, squares = tf.split(sums[:-1] / tf.maximum(sums[-1], 1.0), 2)
    return mean, tf.maximum(squares - mean ** 2, 0.0)


def _fused(inputs, gamma, beta, epsilon):
    """Outputs, mean and variance by the fused kernel; mean and variance without a gradient, which spares tracing it."""
    statistics = []

    @tf.custom_gradient
    def run(inputs, gamma, beta):
        empty = tf.zeros([0])
        y, mean, variance, *saved = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=gamma, offset=beta, mean=empty, variance=empty, epsilon=epsilon, is_training=True)
        statistics[:] = mean, variance

        def gradient(upstream):
            return tuple(tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=upstream, x=inputs, scale=gamma, reserve_space_1=saved[0], reserve_space_2=saved[1],
                reserve_space_3=saved[2], epsilon=epsilon, is_training=True)[:3])

        return y, gradient

    return run(inputs, gamma, beta), *statistics
