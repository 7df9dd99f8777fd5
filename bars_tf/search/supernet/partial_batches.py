"""Parts of a batch: how the supernet computes only what was chosen, in a graph that is fast to trace.

A candidate works on the first n images of the batch. n is the batch size where it is chosen, a part of it where its
result serves the gradient of its coefficient alone (see `relaxation.second_path`), and 1 where nothing of it is
needed. (On no image at all some kernels return a wrong shape.) Of that image the convolutions are left out; branches
around the whole of every candidate would make the graph slow to trace.
The functions below bring their gradients along: two operations where TensorFlow would trace twenty.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from bars_tf.legacy_keras import tf


class Part(NamedTuple):
    """How much of the batch a candidate, or all of a cell, computes."""

    counts: tf.Tensor  # 1 where it is chosen, else 0: whether batch-norm statistics count
    adds: tf.Tensor  # whether the result is added to anything: false where its coefficient is 0
    computed: tf.Tensor | None  # whether anything of it is computed; None: its convolutions are not left out
    learns: tf.Tensor | None  # whether a gradient comes back from it
    size: tf.Tensor  # number of images [1]
    backward: tf.Tensor  # number of images [1] that a gradient comes back from; 1 where it is 0
    restore: tf.Tensor  # paddings [4, 2] that bring these to the number of images of the cell
    zero: tf.Tensor  # constants [1], made once: there are thousands of slices
    one: tf.Tensor

    def first(self, x: tf.Tensor) -> tf.Tensor:
        """The images of x that are computed."""
        return self._slice(x, self.size)

    def of_gradient(self, x: tf.Tensor) -> tf.Tensor:
        """The images of x that a gradient comes back from."""
        return self._slice(x, self.backward)

    def _slice(self, x, size):
        return tf.raw_ops.StridedSlice(input=x, begin=self.zero, end=size, strides=self.one, begin_mask=0, end_mask=0,
                                       ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0)


def take(x: tf.Tensor, part: Part | None) -> tf.Tensor:
    """The images of x that a part computes (None: all of them)."""
    if part is None:
        return x

    @tf.custom_gradient
    def run(x):
        def restored(gradient):
            missing = tf.shape(x)[0] - tf.shape(gradient)[0]
            return tf.pad(gradient, [[0, missing]] + [[0, 0]] * 3)

        return part.first(x), restored

    return run(x)


def add(total: tf.Tensor, term: tf.Tensor, part: Part) -> tf.Tensor:
    """`total`, plus `term` where the part adds. The term's gradient is that of a sum in any case."""

    @tf.custom_gradient
    def run(total, term):
        (result,) = _sum(total.dtype)(part.adds, [total, term], [total.shape])
        return result, lambda gradient: (gradient, part.first(gradient))

    return run(total, term)


class Branches(NamedTuple):
    """Two functions of tensors of four axes, traced once wherever they stand."""

    then: tf.types.experimental.ConcreteFunction
    otherwise: tf.types.experimental.ConcreteFunction

    @classmethod
    def of(cls, then: Callable, otherwise: Callable, dtype: tf.DType, num_inputs: int) -> Branches:
        inputs = [tf.TensorSpec([None] * 4, dtype)] * num_inputs
        return cls(*(tf.function(f, autograph=False).get_concrete_function(*inputs) for f in (then, otherwise)))

    def __call__(self, condition: tf.Tensor, inputs: list[tf.Tensor], shapes: list) -> list[tf.Tensor]:
        """The results, of these shapes, of the one or the other, without a gradient."""
        results = tf.raw_ops.StatelessIf(
            cond=condition, input=inputs, Tout=[inputs[0].dtype] * len(shapes), then_branch=self.then,
            else_branch=self.otherwise, output_shapes=shapes)
        if not tf.executing_eagerly():
            # Switches in the graph around, in which oneDNN's kernels are used: a call has slower ones, on one core.
            results[0].op._set_attr("_lower_using_switch_merge", tf.compat.v1.AttrValue(b=True))
        return results


@functools.lru_cache(None)
def _sum(dtype):
    return Branches.of(lambda total, term: total + term, lambda total, term: tf.identity(total), dtype, 2)
