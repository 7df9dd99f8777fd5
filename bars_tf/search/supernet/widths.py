"""The widths of one forward pass: how they act on kernels, and on channels that move from stage to stage.

Where a width is sampled and no gradient of the other widths is needed, only its own channels are computed, sliced out
of the full-width weights: the supernet then does the work of the derived network. The number of active channels is
known when a step runs, not when it is traced.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bars_tf.legacy_keras import tf
from bars_tf.space.channels import Channels
from bars_tf.space.search_space import SearchSpace


class ActiveChannels(NamedTuple):
    """The channels of a tensor that a sampled width keeps (see `space.channels.Channels`)."""

    blocks: int  # that are concatenated
    size: int  # channels of a block at full width
    count: tf.Tensor  # active channels of each block, its first ones; scalar int32

    @property
    def total(self) -> tf.Tensor:
        """Number of active channels of all blocks."""
        return self.blocks * self.count


class ChannelSlice:
    """Slices tensors of one shape to the active channels of their last axes, and pads them back with zeros.

    `active` has an entry for each of the last axes; None keeps the whole axis. At least one is not None.
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


class Widths:
    """Widths as slices where they are sampled and need no gradient (`sliced`), else as masks; of the coefficients
    [stages, W]."""

    def __init__(self, space: SearchSpace, coefficients: tf.Tensor, sliced: bool):
        self.space, self.coefficients, self.is_fixed = space, coefficients, space.width_choices == (1.0,)
        self._indices = None
        if sliced and not self.is_fixed:
            self._indices = tf.unstack(tf.argmax(coefficients, -1, output_type=tf.int32))
        self._active, self._slices, self._masks, self._maps = {}, {}, {}, {}

    def _active_channels(self, channels: Channels | None) -> ActiveChannels | None:
        if self._indices is None or channels is None or channels.stage is None:
            return None
        if channels not in self._active:
            counts = [channels.count(width) // channels.blocks for width in self.space.width_choices]
            count = tf.gather(tf.constant(counts, tf.int32), self._indices[channels.stage])
            self._active[channels] = ActiveChannels(channels.blocks, channels.size, count)
        return self._active[channels]

    def slice_of(self, variable: tf.Variable, *channels: Channels | None) -> ChannelSlice | None:
        """Returns the slice of a variable whose last axes have these channels; None: the whole variable is active."""
        active = [self._active_channels(c) for c in channels]
        if not any(active):
            return None
        key = tuple(variable.shape), channels
        if key not in self._slices:
            self._slices[key] = ChannelSlice(variable.shape, active)
        return self._slices[key]

    def mask_of(self, channels: Channels) -> tf.Tensor | None:
        """Returns the mask sum_w coefficient_w * (1 for the channels that width w keeps, else 0) [channels, 1]; None
        where nothing is masked."""
        if channels.stage is None or self.is_fixed or self._indices is not None:
            return None
        if channels not in self._masks:
            kept = np.zeros((len(self.space.width_choices), channels.total))
            for row, width in zip(kept, self.space.width_choices):
                row[channels.slots(width)] = 1
            coefficients = self.coefficients[channels.stage]
            mask = tf.linalg.matvec(tf.constant(kept, coefficients.dtype), coefficients, transpose_a=True)
            self._masks[channels] = mask[:, None]
        return self._masks[channels]

    def map_channels(self, x: tf.Tensor, source: Channels, target: Channels) -> tf.Tensor:
        """Returns the target channels, of which number j is source channel j mod (number of source channels)."""
        if self._indices is not None:
            given, wanted = self._active_channels(source).total, self._active_channels(target).total
            return self._moved(x, (source, target), lambda: tf.one_hot(
                tf.range(wanted) % given, given, axis=0, dtype=x.dtype))
        widths = self.space.width_choices
        matrices = np.zeros((len(widths), len(widths), source.total, target.total))
        for a, given in enumerate(widths):
            for b, wanted in enumerate(widths):
                inputs, outputs = source.slots(given), target.slots(wanted)
                matrices[a, b, [inputs[j % len(inputs)] for j in range(len(outputs))], outputs] = 1
        coefficients = self.coefficients[source.stage][:, None] * self.coefficients[target.stage][None, :]
        return self._moved(x, (source, target), lambda: tf.tensordot(coefficients, tf.constant(matrices, x.dtype), 2))

    def merge_halves(self, halves: list[tf.Tensor], target: Channels) -> tf.Tensor:
        """Returns the halves concatenated, their channels in the order of the derived network."""
        x, half, widths = tf.concat(halves, -1), target.half(), self.space.width_choices
        if self._indices is not None:
            return x
        matrices = np.zeros((len(widths), target.total, target.total))
        for matrix, width in zip(matrices, widths):
            inputs = half.slots(width)
            matrix[[*inputs, *(half.total + i for i in inputs)], target.slots(width)] = 1
        if all((np.diag(m) == m.sum(0)).all() for m in matrices):
            return x
        return self._moved(x, target, lambda: tf.tensordot(
            self.coefficients[target.stage], tf.constant(matrices, x.dtype), 1))

    def _moved(self, x, key, matrix):
        """x times the matrix [C_in, C_out], which is made once."""
        if key not in self._maps:
            self._maps[key] = matrix()[None, None]
        return tf.nn.conv2d(x, self._maps[key], 1, "VALID")
