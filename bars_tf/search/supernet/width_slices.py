"""The channels that a chosen width keeps, cut out of the supernet's weights.

Where a width is drawn, and nothing asks what another one would give, only what it keeps is computed: the supernet then
does the work of the derived network. How many channels that are is known when a step runs, not when it is traced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bars_tf.legacy_keras import tf


class Kept(NamedTuple):
    """The first `count` channels (a scalar) of each of `blocks` blocks of `size`; see `channels.Channels`."""

    blocks: int
    size: int
    count: tf.Tensor

    @property
    def total(self) -> tf.Tensor:
        return self.blocks * self.count


def value_of(variable: tf.Variable, cut: Cut | None) -> tf.Tensor:
    """The value of a variable, or what is cut out of it."""
    value = tf.convert_to_tensor(variable)
    return value if cut is None else cut.of(value)


class Cut:
    """Cuts tensors of one shape to the kept channels of their last axes, and puts them back.

    Args:
        shape: of the whole tensor.
        kept: an entry for each of the last axes, one at least of them not None, which is for all of an axis.
    """

    def __init__(self, shape: Sequence[int], kept: Sequence[Kept | None]):
        self.shape = list(shape)
        kept = [None] * (len(self.shape) - len(kept)) + list(kept)
        self.static = [None if k else size for size, k in zip(self.shape, kept)]
        self.joined = tf.stack([k.total if k else size for size, k in zip(self.shape, kept)])
        # With axes of several blocks apart: (block, channel of it).
        self.blocks = [part for size, k in zip(self.shape, kept)
                       for part in ((k.blocks, k.size) if k and k.blocks > 1 else (size,))]
        self.is_simple = len(self.blocks) == len(self.shape)
        self.ends = self.joined if self.is_simple else tf.stack(
            [part for size, k in zip(self.shape, kept)
             for part in ((k.blocks, k.count) if k and k.blocks > 1 else (k.count if k else size,))])
        self.missing = tf.stack([[0] * len(self.blocks), self.blocks - self.ends], axis=1)

    def of(self, tensor: tf.Tensor) -> tf.Tensor:
        """The kept channels; the gradient of the others is 0."""
        @tf.custom_gradient  # a few operations where TensorFlow's own would trace twenty
        def run(tensor):
            found = tf.raw_ops.StridedSlice(
                input=tensor if self.is_simple else tf.reshape(tensor, self.blocks), begin=[0] * len(self.blocks),
                end=self.ends, strides=[1] * len(self.blocks), begin_mask=0, end_mask=0, ellipsis_mask=0,
                new_axis_mask=0, shrink_axis_mask=0)
            found = found if self.is_simple else tf.reshape(found, self.joined)
            found.set_shape(self.static)
            return found, self.restored

        return run(tensor)

    def restored(self, tensor: tf.Tensor) -> tf.Tensor:
        """The whole tensor, with zeros for what was cut off."""
        if self.is_simple:
            return tf.pad(tensor, self.missing)
        return tf.reshape(tf.pad(tf.reshape(tensor, self.ends), self.missing), self.shape)
