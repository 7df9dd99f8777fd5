"""Branches around what a sample does not need: quick to trace, and lowered to what computes fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bars_tf.legacy_keras import tf


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
