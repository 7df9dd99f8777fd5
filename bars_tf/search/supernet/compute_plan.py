"""The compute plan of one forward pass: only the sampled candidates are computed, in a graph that is fast to trace.

A candidate is computed on the first n images of the batch. n is the batch size where the candidate is sampled, a
fraction of it where the result serves only the gradient of its coefficient (see `relaxation.second_path`), and 1 where
nothing of it is needed, because some kernels return a wrong shape for an empty batch. The convolutions of that one
image are skipped by a branch around each of them; branches around whole candidates would make the graph slow to trace.
`first_images` and `add` define their gradients: two operations where TensorFlow's own would trace twenty. The plan of
all edges is made at once: a few large operations in place of thousands.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.branches import Branches
from bars_tf.search.supernet.relaxation import Sample
from bars_tf.space.encoding import depth_grid
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.distribution import replicas


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

    def to_term(gradient):
        gradient = sub_batch.take(gradient)  # of one image, where another replica has all that are computed
        return gradient if replicas() == 1 else gradient * tf.cast(sub_batch.counts, gradient.dtype)

    @tf.custom_gradient
    def run(total, term):
        (result,) = _sum(total.dtype)(sub_batch.adds, [total, term], [total.shape])
        return result, lambda gradient: (gradient, to_term(gradient))

    return run(total, term)


@functools.lru_cache(None)
def _sum(dtype):
    return Branches.of(lambda total, term: total + term, lambda total, term: tf.identity(total), dtype, 2)


class ComputePlan(NamedTuple):
    """What a sample asks of the forward pass."""

    # The scalar coefficient of each (group, edge, primitive), in the dtype of the images; 0 on edges from nodes without
    # inputs.
    coefficients: dict[tuple, tf.Tensor]
    shortcuts: dict[tuple, tf.Tensor]  # the sum of those of the primitives with a shortcut, by (group, edge)
    # How much of each group has any input [groups]: 1 or 0 for sampled choices; None: every group has.
    has_input: tf.Tensor | None
    # By (cell,) and, for candidates, by (cell, edge, primitive); None: everything is computed on the whole batch.
    sub_batches: dict[tuple, SubBatch] | None


def compute_plan(space: SearchSpace, sample: Sample, batch_size: tf.Tensor, dtype: tf.DType) -> ComputePlan:
    """Returns the plan of a sample for a batch of `batch_size` images of a dtype."""
    coefficients, has_input = sample.choices.edges, None
    shortcuts = tf.linalg.matvec(coefficients if sample.shortcuts is None else sample.shortcuts, tf.constant(
        [float(space.primitive(name).shortcut) for name in space.primitives], coefficients.dtype))
    if "none" in space.primitives:
        alive = _nodes_alive(space, coefficients)
        sources = tf.stack([alive[source] for source, _ in space.edges], axis=1)
        coefficients *= tf.stop_gradient(sources)[:, :, None]
        shortcuts *= tf.stop_gradient(sources)
        # With its gradient: behind a batch norm, no other one says what it is worth to have an input at all.
        has_input = 1.0 - tf.reduce_prod(1.0 - tf.stack(alive[1:]), axis=0)
    sub_batches = None if sample.computed is None else _sub_batches_of(space, sample, batch_size)
    return ComputePlan(_unstacked(tf.cast(coefficients, dtype)), _unstacked(tf.cast(shortcuts, dtype)), has_input,
                       sub_batches)


def _nodes_alive(space, edges):
    """How much of each node has an input, [groups] a node: 1 or 0 for sampled choices. Other nodes pass nothing on."""
    none = edges[:, :, space.primitives.index("none")]
    alive = [tf.ones_like(none[:, 0])]
    for target in range(1, space.num_nodes + 1):
        incoming = [space.edges.index((source, target)) for source in range(target)]
        passing = tf.stack(alive, 1) * (1.0 - tf.gather(none, incoming, axis=1))
        alive.append(1.0 - tf.reduce_prod(1.0 - passing, axis=1))
    return alive


def _sub_batches_of(space, sample, batch_size):
    """The sub-batches of all cells and candidates, by key."""
    choices, computed = sample.choices, sample.computed
    cells, grid = space.cells(), depth_grid(space)
    reach = np.array([(grid[c.stage] >= c.depth) | c.opens_stage for c in cells])
    stages, groups = [c.stage for c in cells], [space.groups.index(c.group) for c in cells]
    # A cell is computed where a computed choice of depth reaches it, and adds something where the sampled one does.
    always = np.array([c.opens_stage for c in cells])
    cell = tf.reduce_max(tf.where(reach, tf.gather(computed.depths, stages), 0), axis=1)
    cell = tf.where(always, tf.ones_like(cell), cell)
    adds = tf.reduce_max(tf.where(reach, tf.gather(choices.depths, stages), 0), axis=1)
    adds = tf.where(always, tf.ones_like(cell), adds)
    edge, chosen = tf.gather(computed.edges, groups), tf.gather(choices.edges, groups)
    # A cell that is only compared needs no comparisons within it.
    edge = tf.where(adds[:, None, None] > 0, edge, tf.floor(edge) * cell[:, None, None])
    # With a single kind of convolution, branches would cost more time of tracing than they save.
    skips = len(space.convolutions()) > 1
    return {**_sub_batches(cell, adds, adds, cell, batch_size, skips),
            **_sub_batches(edge, chosen, chosen * adds[:, None, None], cell[:, None, None], batch_size, skips)}


def _sub_batches(fraction, adds, learns, cell, batch_size, skips):
    """A `SubBatch` for each element of `fraction` (of the batch), by its index; `cell` is the fraction of its cell,
    `skips` says whether convolutions of which nothing is needed are skipped."""
    fraction, adds, learns, cell = (tf.stop_gradient(t) for t in (fraction, adds, learns, cell))
    images, cell = (tf.maximum(tf.cast(tf.round(f * tf.cast(batch_size, f.dtype)), tf.int32), 1)
                    for f in (fraction, cell))
    backward = tf.where(learns > 0, images, 1)
    paddings = tf.pad((cell - backward)[..., None, None], [[0, 0]] * fraction.shape.rank + [[0, 3], [1, 0]])
    computes, never = fraction > 0, dict.fromkeys(np.ndindex(*fraction.shape))
    fields = [_unstacked(tf.cast(computes, fraction.dtype)), _unstacked(adds > 0),
              _unstacked(computes) if skips else never, _unstacked(learns > 0) if skips else never,
              _unstacked(images[..., None], 1), _unstacked(backward[..., None], 1), _unstacked(paddings, 2)]
    zero, one = tf.constant([0]), tf.constant([1])
    return {key: SubBatch(*(f[key] for f in fields), zero, one) for key in fields[0]}


def _unstacked(tensor, rank=0):
    """The elements of a tensor by their index, made by one operation: scalars, or tensors of a rank."""
    outer, inner = tensor.shape[: tensor.shape.rank - rank], tensor.shape[tensor.shape.rank - rank:]
    return dict(zip(np.ndindex(*outer), tf.unstack(tf.reshape(tensor, [-1, *inner]))))
