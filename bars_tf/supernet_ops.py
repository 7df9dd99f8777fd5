"""The factory of the supernet: every candidate stands on its edge, weighed by the choices.

What is not chosen is not computed: a candidate works on the first n images of the batch, where n is the batch size if
it is chosen and 1 if not, and its result is padded with zeros. That needs no branches in the graph, which make it slow
to trace, and hardly any time. (On no image at all some convolution kernels return a wrong shape.) The coefficient of
what is not chosen is 0.

The graph is traced anew by every program, so what concerns all edges is computed for all of them at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bars_tf.channels import Channels
from bars_tf.derived import BATCH_NORM, input_quantizer
from bars_tf.legacy_keras import tf
from bars_tf.masked import BatchNorm, MaskedDense, MaskedQuantConv2D
from bars_tf.primitives import PRIMITIVES, primitive_branch

if TYPE_CHECKING:
    from bars_tf.supernet import Choices, Supernet


class SupernetOps:
    """Builds one forward pass. Layers are made once, by name, and kept in `supernet.layers_by_name`."""

    def __init__(self, supernet: Supernet, choices: Choices, batch_size: tf.Tensor, mode: str, rate: Any):
        self.supernet, self.space, self.choices = supernet, supernet.space, choices
        self.mode, self.rate = mode, rate
        self._quantizer = input_quantizer(self.space)
        self._masks, self._maps, self._signs = {}, {}, {}
        self._counts = None  # 1 or 0: whether what is being built is computed; None: everything is
        self._read_choices(batch_size)

    def _layer(self, name, source, target, make):
        layers = self.supernet.layers_by_name
        if name not in layers:
            layers[name] = make()
            self.supernet.channels_by_name[name] = (source, target)
        return layers[name]

    # Choices

    def _read_choices(self, batch_size):
        """Splits the choices into one scalar a cell, edge and primitive."""
        space, choices = self.space, self.choices
        coefficients = choices.edges
        if "none" in space.primitives:
            coefficients *= self._sources_alive()[:, :, None]
        self._coefficients = _unstacked(coefficients)
        self._computed = None
        if choices.computed_edges is None:
            return
        cells, grid = space.cells(), self.supernet.depth_choices
        reach = np.array([(grid[c.stage] >= c.depth) | (c.depth == 0) for c in cells])
        stages, groups = [c.stage for c in cells], [space.groups.index(c.group) for c in cells]
        # A cell is computed where a computed choice of depth reaches it.
        cell = tf.reduce_max(tf.where(reach, tf.gather(choices.computed_depths, stages), 0), axis=1)
        cell = tf.where([c.depth == 0 for c in cells], tf.ones_like(cell), cell)
        edge = tf.gather(choices.computed_edges, groups) * cell[:, None, None]
        whole = tf.where(cell > 0, batch_size, 1)
        part = tf.where(edge > 0, batch_size, 1)
        self._computed = [
            (_unstacked(flags), _unstacked(sizes), _unstacked(missing))
            for flags, sizes, missing in (
                (cell, whole, batch_size - whole), (edge, part, whole[:, None, None] - part))]

    def _sources_alive(self):
        """How much of each edge's source node has an input [groups, edges]: 1 or 0 for sampled choices. Nodes without
        one pass nothing on."""
        none = tf.stop_gradient(self.choices.edges[:, :, self.space.primitives.index("none")])
        alive = [tf.ones_like(none[:, 0])]
        for target in range(1, self.space.num_nodes + 1):
            edges = [self.space.edges.index((source, target)) for source in range(target)]
            passing = tf.stack(alive, 1) * (1.0 - tf.gather(none, edges, axis=1))
            alive.append(1.0 - tf.reduce_prod(1.0 - passing, axis=1))
        return tf.stack([alive[source] for source, _ in self.space.edges], axis=1)

    def _if_computed(self, x, key, run):
        """run(x), on one image only and padded with zeros where the choices do not compute it."""
        if self._computed is None:
            return run(x)
        flags, sizes, missing = (values[key] for values in self._computed[len(key) > 1])
        outer, self._counts = self._counts, flags
        part = run(x[:sizes])
        self._counts = outer
        return tf.pad(part, [[0, missing], [0, 0], [0, 0], [0, 0]])

    def edge(self, position, edge, x, identity, source, target, stride):
        group, index = self.space.groups.index(position.group), self.space.edges.index(edge)
        terms, through = [], 0.0
        for k, name in enumerate(self.space.primitives):
            primitive, coefficient = PRIMITIVES[name], self._coefficients[group, index, k]
            if primitive.shortcut:
                through += coefficient
            if primitive.branch == "none":
                continue

            def branch(part, primitive=primitive, name=name, coefficient=coefficient):
                return primitive_branch(self, primitive, part, source, target, stride,
                                        f"{position.name}_edge_{edge[0]}_{edge[1]}_{name}", coefficient)

            terms.append(self._if_computed(x, (position.index, index, k), branch))
        return self.add([*terms, through * identity])

    def chain(self, stage, x, positions, run):
        outputs = [x]
        for position in positions:
            outputs.append(self._if_computed(outputs[-1], (position.index,), lambda part, p=position: run(part, p)))
        coefficients = tf.unstack(self.choices.depths[stage])
        kept = [(i, depth) for i, depth in enumerate(self.supernet.depth_choices[stage]) if depth >= 0]
        if len(kept) == 1:
            return outputs[kept[0][1]]
        return self.add([coefficients[i] * outputs[depth] for i, depth in kept])

    # Widths

    def _mask(self, source: Channels):
        """1 for the channels that the width of the source's stage keeps [channels], or None where all are."""
        widths = self.space.width_choices
        if source.stage is None or widths == (1.0,):
            return None
        if source not in self._masks:
            prefixes = np.zeros((len(widths), source.total))
            for row, width in zip(prefixes, widths):
                row[source.slots(width)] = 1
            coefficients = self.choices.widths[source.stage]
            mask = tf.linalg.matvec(tf.constant(prefixes, coefficients.dtype), coefficients, transpose_a=True)
            self._masks[source] = mask[:, None]
        return self._masks[source]

    def _move_channels(self, x, matrices, coefficients, key):
        """x times the matrix [C_in, C_out] of the chosen widths; `matrices` is [..., C_in, C_out] by width choice."""
        if key not in self._maps:
            matrices = tf.constant(matrices, x.dtype)
            matrix = tf.tensordot(coefficients, matrices, len(coefficients.shape))
            self._maps[key] = matrix[None, None]
        return tf.nn.conv2d(x, self._maps[key], 1, "VALID")

    def map_channels(self, x, source, target):
        widths, chosen = self.space.width_choices, self.choices.widths
        matrices = np.zeros((len(widths), len(widths), source.total, target.total))
        for a, given in enumerate(widths):
            for b, wanted in enumerate(widths):
                inputs, outputs = source.slots(given), target.slots(wanted)
                matrices[a, b, [inputs[j % len(inputs)] for j in range(len(outputs))], outputs] = 1
        coefficients = chosen[source.stage][:, None] * chosen[target.stage][None, :]
        return self._move_channels(x, matrices, coefficients, (source, target))

    def merge_halves(self, halves, target):
        """The halves concatenated, in the order that their kept channels have in the derived network."""
        x, half, widths = tf.concat(halves, -1), target.half(), self.space.width_choices
        matrices = np.zeros((len(widths), target.total, target.total))
        for matrix, width in zip(matrices, widths):
            inputs = half.slots(width)
            inputs = inputs + [half.total + i for i in inputs]
            matrix[inputs, target.slots(width)] = 1
        if all((np.diag(m) == m.sum(0)).all() for m in matrices):
            return x
        return self._move_channels(x, matrices, self.choices.widths[target.stage], target)

    # Layers

    def conv(self, x, source, target, kernel, stride, name):
        return self._layer(name, source, target, lambda: tf.keras.layers.Conv2D(
            target.total, kernel, strides=stride, padding="same", use_bias=False, name=name))(x)

    def binarize(self, x):
        """The sign of x, once for all convolutions that read it."""
        key = id(x)
        if key not in self._signs:
            self._signs[key] = (x, self._quantizer(x))  # x is kept so that its id stays its own
        return self._signs[key][1]

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        return self._layer(name, source, target, lambda: MaskedQuantConv2D(
            target.total, kernel, strides=stride, dilation_rate=dilation, padding="same", pad_values=1.0,
            kernel_quantizer=self.space.kernel_quantizer, kernel_constraint="weight_clip",
            kernel_initializer="glorot_normal", use_bias=False, name=name))(x, input_mask=self._mask(source))

    def batch_norm(self, x, channels, name, scale=None):
        layer = self._layer(name, None, channels, lambda: BatchNorm(**BATCH_NORM, name=name))
        return layer(x, mode=self.mode, scale=scale, rate=self.rate, counts=self._counts)

    def head(self, x, source):
        layer = self._layer("head", source, None, lambda: MaskedDense(self.supernet.num_classes, name="head"))
        return layer(tf.reduce_mean(x, [1, 2]), input_mask=self._mask(source))

    def relu(self, x):
        return tf.nn.relu(x)

    def add(self, terms):
        return tf.add_n(terms) if len(terms) > 1 else terms[0]

    def concat(self, nodes):
        return tf.concat(nodes, -1)

    def shift(self, x):
        # What comes is binary already; the derived network pads with zeros, whose sign is 1.
        return tf.pad(x[:, 1:, 1:], [[0, 0], [0, 1], [0, 1], [0, 0]], constant_values=1.0)

    def subsample(self, x):
        return x[:, ::2, ::2]

    def average_pool(self, x):
        return tf.nn.avg_pool2d(x, 2, 2, "SAME")


def _unstacked(tensor):
    """The scalars of a tensor by their index, made by one operation."""
    return dict(zip(np.ndindex(*tensor.shape), tf.unstack(tf.reshape(tensor, [-1]))))
