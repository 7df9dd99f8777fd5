"""Channel slices: a sampled width computes only its own channels, sliced out of the supernet's full-width weights.

Where a width is sampled and no gradient of the other widths is needed, the supernet then does the work of the derived
network. The number of active channels is known when a step runs, not when it is traced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bars_tf.legacy_keras import tf


class ActiveChannels(NamedTuple):
    """The channels of a tensor that a sampled width keeps (see `space.channels.Channels`).

    Attributes:
        blocks: number of concatenated blocks.
        size: channels of a block at full width.
        count: active channels of each block, its first ones; a scalar int32 tensor.
    """

    blocks: int
    size: int
    count: tf.Tensor

    @property
    def total(self) -> tf.Tensor:
        """Number of active channels of all blocks."""
        return self.blocks * self.count


class ChannelSlice:
    """Slices tensors of one shape to the active channels of their last axes, and pads them back with zeros.

    Args:
        shape: shape of the whole tensor.
        active: an entry for each of the last axes; None keeps the whole axis. At least one is not None.
    """

    def __init__(self, shape: Sequence[int], active: Sequence[ActiveChannels | None]):
        self.shape = list(shape)
        active = [None] * (len(self.shape) - len(active)) + list(active)
        self._static_shape = [None if a else size for size, a in zip(self.shape, active)]
        self._sliced_shape = tf.stack([a.total if a else size for size, a in zip(self.shape, active)])
        # The same shapes with an axis of several blocks split in two: block, channel of the block.
        self._split_shape = [length for size, a in zip(self.shape, active)
                             for length in ((a.blocks, a.size) if a and a.blocks > 1 else (size,))]
        self._has_one_block = len(self._split_shape) == len(self.shape)
        self._ends = self._sliced_shape if self._has_one_block else tf.stack(
            [length for size, a in zip(self.shape, active)
             for length in ((a.blocks, a.count) if a and a.blocks > 1 else (a.count if a else size,))])
        self._paddings = tf.stack([[0] * len(self._split_shape), self._split_shape - self._ends], axis=1)

    def take(self, tensor: tf.Tensor) -> tf.Tensor:
        """Returns the active channels; the gradient of the others is 0."""
        @tf.custom_gradient  # a few operations, where TensorFlow's own gradient would trace twenty
        def run(tensor):
            sliced = tf.raw_ops.StridedSlice(
                input=tensor if self._has_one_block else tf.reshape(tensor, self._split_shape),
                begin=[0] * len(self._split_shape), end=self._ends, strides=[1] * len(self._split_shape), begin_mask=0,
                end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0)
            sliced = sliced if self._has_one_block else tf.reshape(sliced, self._sliced_shape)
            sliced.set_shape(self._static_shape)
            return sliced, self.restore

        return run(tensor)

    def restore(self, tensor: tf.Tensor) -> tf.Tensor:
        """Returns a tensor of the whole shape, with zeros in place of the channels that are not active."""
        if self._has_one_block:
            return tf.pad(tensor, self._paddings)
        return tf.reshape(tf.pad(tf.reshape(tensor, self._ends), self._paddings), self.shape)


def value_of(variable: tf.Variable, channels: ChannelSlice | None) -> tf.Tensor:
    """Returns the value of a variable, or its slice of active channels."""
    value = tf.convert_to_tensor(variable)
    return value if channels is None else channels.take(value)
