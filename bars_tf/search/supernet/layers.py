"""The supernet's layers: those of the derived network, with masks for widths that are not chosen yet. (Chosen ones are
cut out of their weights, see `kept`.)

A width mask acts on the *input channels of kernels*. Masking values before the sign would leave sign(0) = 1, masking
them after it would leave the padding of ones; a masked kernel sees neither. What stands in masked output channels is
of no account, since every later kernel masks it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from bars_tf.legacy_keras import lq, tf
from bars_tf.search.supernet.partial_batches import Branches
from bars_tf.search.supernet.width_slices import value_of


class MaskedQuantConv2D(lq.layers.QuantConv2D):
    """A `QuantConv2D` on inputs that are binary already, whose quantized kernel is cut to what a width keeps, or
    multiplied by a mask [input channels, 1], and which computes a part of the batch.

    Its gradient is that of what is being learnt: in mode "arch" that of the mask, else that of the kernel; each costs
    one convolution less than both. `pad` is `tf.pad` with the layer's value: given from outside, so that the
    convolutions which read one tensor can share it padded.
    """

    def call(self, inputs, pad, cut=None, input_mask=None, mode="eval", part=None):
        padded = pad(inputs, self._get_spatial_padding_same(inputs.shape[1:3].as_list()))
        with lq.context.quantized_scope(True):
            kernel = value_of(self.kernel, cut)
        if mode == "arch" and input_mask is not None:
            return self._with_gradient(padded, [input_mask], part, [tf.stop_gradient(kernel)])
        return self._with_gradient(padded, [masked(kernel, input_mask)], part, [])

    def _with_gradient(self, padded, learnt, part, fixed):
        """The convolution of a part of the images with the kernel `learnt[0]`, or, where a kernel is `fixed`, of
        images times the mask `learnt[0]`."""
        convolution = _Convolution(tuple(self.strides), tuple(self.dilation_rate), learns_kernel=not fixed)

        @tf.custom_gradient
        def run(padded, weight):
            x = padded if part is None else part.first(padded)
            outputs = convolution.of_part(x, fixed[0] * weight if fixed else weight, part)

            def gradient(upstream):
                x = padded
                if part is not None:
                    x, upstream = part.of_gradient(padded), part.of_gradient(upstream)
                to_x, *to_weight = convolution.gradients_of_part(x, fixed[0] if fixed else weight, upstream, part)
                if fixed:
                    to_weight = [tf.reduce_sum(x * to_x, [0, 1, 2])[:, None]]
                    to_x *= weight[:, 0]
                return (to_x if part is None else tf.pad(to_x, part.restore)), *to_weight

            return outputs, gradient

        return run(padded, learnt[0])


class _Convolution(NamedTuple):
    """A convolution without padding. Where nothing of a part is computed or learnt it is left out: its one image, or
    the gradients, are zeros."""

    strides: tuple[int, int]
    dilations: tuple[int, int]
    learns_kernel: bool  # else the gradients are that of the input alone

    def __call__(self, x, kernel):
        return tf.nn.convolution(x, kernel, self.strides, "VALID", dilations=self.dilations)

    def gradients(self, x, kernel, upstream):
        learnt = [x, kernel] if self.learns_kernel else [x]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(learnt)
            again = self(x, kernel)  # only its gradient's operations stay in the graph
        return tape.gradient(again, learnt, upstream)

    def of_part(self, x, kernel, part):
        if part is None or part.computed is None:
            return self(x, kernel)
        size = tuple(-((d * (k - 1) - n) // s) for n, k, d, s in zip(
            x.shape[1:3], kernel.shape, self.dilations, self.strides))
        shape = [None, *size, kernel.shape[-1]]
        return _forward(self, size, x.dtype)(part.computed, [x, kernel], [shape])[0]

    def gradients_of_part(self, x, kernel, upstream, part):
        if part is None or part.computed is None:
            return self.gradients(x, kernel, upstream)
        shapes = [x.shape, kernel.shape][:1 + self.learns_kernel]
        return _backward(self, x.dtype)(part.learns, [x, kernel, upstream], shapes)


@functools.lru_cache(None)
def _forward(convolution, size, dtype):
    def nothing(x, kernel):
        return tf.zeros([1, *size, tf.shape(kernel)[-1]], dtype)

    return Branches.of(convolution, nothing, dtype, 2)


@functools.lru_cache(None)
def _backward(convolution, dtype):
    def nothing(x, kernel, upstream):
        return [tf.zeros_like(x), tf.zeros_like(kernel)][:1 + convolution.learns_kernel]

    return Branches.of(convolution.gradients, nothing, dtype, 3)


class MaskedDense(tf.keras.layers.Dense):
    """A dense layer whose kernel is cut to what a width keeps, or multiplied by a mask [inputs, 1]."""

    def call(self, inputs, cut=None, input_mask=None):
        return tf.matmul(inputs, masked(value_of(self.kernel, cut), input_mask)) + self.bias


def _rows(*values):
    """An initializer of a variable [rows, channels]."""
    return lambda shape, dtype: tf.constant(values, dtype)[:, None] + tf.zeros(shape, dtype)


def masked(kernel: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """A kernel [..., inputs, outputs] times the mask [inputs, 1], if there is one."""
    return kernel if mask is None else kernel * mask


def replicas() -> int:
    """The number of replicas that take the step which is being traced."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def _moments_of_all(inputs):
    """Mean and variance [C] of inputs [B, H, W, C] over the batches of all replicas; gradients pass."""
    count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], inputs.dtype)
    sums = tf.concat([tf.reduce_sum(inputs, [0, 1, 2]), tf.reduce_sum(inputs ** 2, [0, 1, 2]), [count]], 0)
    sums = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sums)
    mean, squares = tf.split(sums[:-1] / sums[-1], 2)
    return mean, tf.maximum(squares - mean ** 2, 0.0)


class BatchNorm(tf.keras.layers.Layer):
    """Batch normalisation that says which statistics it uses and which it changes.

    Keras's own ties the two together; here the arch step needs batch statistics without touching the moving ones, and
    recalibration needs a plain average. `mode` is

    - "train": batch statistics, moving statistics updated by `momentum`;
    - "arch": batch statistics, moving ones left alone;
    - "calibrate": batch statistics; moving ones take the fraction `rate` of them;
    - "eval": moving statistics.

    `scale` multiplies the result; `counts` is 0 where the inputs are of a candidate that is not computed, whose
    statistics stay; `cut` tells which channels the inputs have.
    """

    def __init__(self, momentum: float, epsilon: float, **kwargs):
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, input_shape):
        size = input_shape[-1]
        # Gamma and beta in one variable, mean and variance in another: half the operations to update.
        self.affine = self.add_weight("affine", (2, size), initializer=_rows(1.0, 0.0))
        self.moving = self.add_weight(
            "moving", (2, size), initializer=_rows(0.0, 1.0),
            trainable=False, aggregation=tf.VariableAggregation.MEAN,
            synchronization=tf.VariableSynchronization.ON_READ)

    def call(self, inputs, mode="eval", scale=None, rate=None, counts=None, cut=None):
        affine = value_of(self.affine, cut)
        gamma, beta = tf.unstack(affine if scale is None else affine * scale)
        if mode == "eval":
            mean, variance = tf.unstack(value_of(self.moving, cut))
            factor = gamma * tf.math.rsqrt(variance + self.epsilon)
            return inputs * factor + (beta - mean * factor)
        if replicas() > 1:
            mean, variance = _moments_of_all(inputs)
            outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, self.epsilon)
        elif inputs.dtype == tf.float32:
            outputs, mean, variance = _fused(inputs, gamma, beta, self.epsilon)
        else:  # the fused kernel computes in float32 only
            mean, variance = tf.nn.moments(inputs, [0, 1, 2])
            outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, self.epsilon)
        if mode != "arch":
            step = 1.0 - self.momentum if mode == "train" else rate
            step = step if counts is None else step * counts
            change = (tf.stop_gradient(tf.stack([mean, variance])) - value_of(self.moving, cut)) * step
            self.moving.assign_add(change if cut is None else cut.restored(change))
        return outputs


def _fused(inputs, gamma, beta, epsilon):
    """Outputs, mean and variance by the fused kernel; the latter two without a gradient, which spares tracing it."""
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
