"""Sub-batches: how the supernet computes only the sampled candidates, in a graph that is fast to trace.

A candidate is computed on the first n images of the batch. n is the batch size where the candidate is sampled, a
fraction of it where the result serves only the gradient of its coefficient (see `relaxation.second_path`), and 1 where
nothing of it is needed, because some kernels return a wrong shape for an empty batch. The convolutions of that one
image are skipped by a branch around each of them; branches around whole candidates would make the graph slow to trace.
The functions below define their gradients: two operations where TensorFlow's own would trace twenty.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from bars_tf.legacy_keras import tf


class SubBatch(NamedTuple):
    """The first images of a batch, on which a candidate or a whole cell is computed."""

    counts: tf.Tensor  # 1.0 where the candidate is computed, else 0.0: the weight of its batch-norm statistics
    adds: tf.Tensor  # whether the result is added to anything: false where its coefficient is 0
    computes: tf.Tensor | None  # whether the candidate is computed; None: its convolutions are never skipped
    learns: tf.Tensor | None  # whether a gradient comes back; None: its convolutions are never skipped
    size: tf.Tensor  # number of images, [1] int32, at least 1
    backward_size: tf.Tensor  # number of images that a gradient comes back from, [1] int32, at least 1
    paddings: tf.Tensor  # [4, 2], from `backward_size` images to those of the cell
    zero: tf.Tensor  # the constant 0, [1] int32; this and the next are made once for thousands of slices
    one: tf.Tensor

    def take(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the images [size, ...] of x that are computed, without a gradient."""
        return self._first(x, self.size)

    def take_backward(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the images [backward_size, ...] of x that a gradient comes back from, without a gradient."""
        return self._first(x, self.backward_size)

    def _first(self, x, size):
        return tf.raw_ops.StridedSlice(input=x, begin=self.zero, end=size, strides=self.one, begin_mask=0, end_mask=0,
                                       ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0)


def first_images(x: tf.Tensor, sub_batch: SubBatch | None) -> tf.Tensor:
    """Returns the images of x [B, H, W, C] that a sub-batch computes, all of them for None; with a gradient."""
    if sub_batch is None:
        return x

    @tf.custom_gradient
    def run(x):
        def restored(gradient):
            missing = tf.shape(x)[0] - tf.shape(gradient)[0]
            return tf.pad(gradient, [[0, missing]] + [[0, 0]] * 3)

        return sub_batch.take(x), restored

    return run(x)


def add(total: tf.Tensor, term: tf.Tensor, sub_batch: SubBatch) -> tf.Tensor:
    """Returns `total` plus the `term` of a sub-batch where the sub-batch adds, else `total`.

    The gradient of the term is that of a sum in any case: so a coefficient of 0 learns what its candidate is worth.
    """

    @tf.custom_gradient
    def run(total, term):
        (result,) = _sum(total.dtype)(sub_batch.adds, [total, term], [total.shape])
        return result, lambda gradient: (gradient, sub_batch.take(gradient))

    return run(total, term)


class Branches(NamedTuple):
    """Two functions of tensors of four axes, each traced once, of which a condition computes one."""

    then: tf.types.experimental.ConcreteFunction
    otherwise: tf.types.experimental.ConcreteFunction

    @classmethod
    def of(cls, then: Callable, otherwise: Callable, dtype: tf.DType, num_inputs: int) -> Branches:
        """Traces two functions of `num_inputs` tensors each."""
        inputs = [tf.TensorSpec([None] * 4, dtype)] * num_inputs
        return cls(*(tf.function(f, autograph=False).get_concrete_function(*inputs) for f in (then, otherwise)))

    def __call__(self, condition: tf.Tensor, inputs: list[tf.Tensor], shapes: list) -> list[tf.Tensor]:
        """Returns the results, of the given shapes, of the function that `condition` selects, without a gradient."""
        results = tf.raw_ops.StatelessIf(
            cond=condition, input=inputs, Tout=[inputs[0].dtype] * len(shapes), then_branch=self.then,
            else_branch=self.otherwise, output_shapes=shapes)
        if not tf.executing_eagerly():
            # Lowered to switches in the surrounding graph, whose convolutions use oneDNN's kernels: on one core those
            # of a function call are slower.
            results[0].op._set_attr("_lower_using_switch_merge", tf.compat.v1.AttrValue(b=True))
        return results


@functools.lru_cache(None)
def _sum(dtype):
    return Branches.of(lambda total, term: total + term, lambda total, term: tf.identity(total), dtype, 2)
