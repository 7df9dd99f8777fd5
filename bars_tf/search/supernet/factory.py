"""The factory of the supernet: every candidate stands on its edge, weighed by the choices.

What is not chosen is not computed (see `parts`). The graph is traced anew by every program, so what concerns all edges
is computed for all of them at once, and what several convolutions read is binarized and padded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import BATCH_NORM, input_quantizer, latent_clip
from bars_tf.search.supernet.layers import BatchNorm, MaskedDense, MaskedQuantConv2D, masked
from bars_tf.search.supernet.partial_batches import Part, add, take
from bars_tf.search.supernet.width_slices import Cut, Kept, value_of
from bars_tf.space.channels import Channels
from bars_tf.space.primitives import primitive_branch

if TYPE_CHECKING:
    from bars_tf.search.supernet.relaxation import Sample
    from bars_tf.search.supernet.supernet import Supernet


class SupernetOps:
    """Builds one forward pass. Layers are made once, by name, and kept in `supernet.layers_by_name`."""

    def __init__(self, supernet: Supernet, choices: Sample, batch_size: tf.Tensor, mode: str, rate: Any):
        self.supernet, self.space, self.choices = supernet, supernet.space, choices
        self.mode, self.rate = mode, rate
        self._quantizer = input_quantizer(self.space)
        self._masks, self._kept_channels, self._cuts, self._maps, self._shared = {}, {}, {}, {}, {}
        # Drawn widths, whose gradient nobody asks for, are cut; others are masks.
        cuts = mode != "arch" and choices.computed_edges is not None and self.space.width_choices != (1.0,)
        self._widths = tf.unstack(tf.argmax(choices.widths, -1, output_type=tf.int32)) if cuts else None
        self._part = None  # of what is being built; None: all of the batch is computed
        self._read_choices(batch_size)

    def _layer(self, name, source, target, make, build_shape):
        layers = self.supernet.layers_by_name
        if name not in layers:
            layers[name] = layer = make()
            with tf.name_scope(name):
                layer.build(tf.TensorShape(build_shape))
            layer.built, layer.input_spec = True, None  # the inputs may be cut
            self.supernet.channels_by_name[name] = (source, target)
        return layers[name]

    # Choices

    def _read_choices(self, batch_size):
        """Splits the choices into one scalar a group, edge and primitive."""
        space, choices = self.space, self.choices
        coefficients = choices.edges
        if "none" in space.primitives:
            alive = self._nodes_alive()
            sources = tf.stack([alive[source] for source, _ in space.edges], axis=1)
            coefficients *= tf.stop_gradient(sources)[:, :, None]
            # With its gradient: behind a batch norm, no other one tells what it is worth to have an input at all.
            self._any_alive = 1.0 - tf.reduce_prod(1.0 - tf.stack(alive[1:]), axis=0)
        self._coefficients = _unstacked(coefficients)
        self._parts = None
        if choices.computed_edges is None:
            return
        cells, grid = space.cells(), self.supernet.depth_choices
        reach = np.array([(grid[c.stage] >= c.depth) | c.opens_stage for c in cells])
        stages, groups = [c.stage for c in cells], [space.groups.index(c.group) for c in cells]
        # A cell is computed where a computed choice of depth reaches it, and adds something where the chosen one does.
        always = np.array([c.opens_stage for c in cells])
        cell = tf.reduce_max(tf.where(reach, tf.gather(choices.computed_depths, stages), 0), axis=1)
        cell = tf.where(always, tf.ones_like(cell), cell)
        adds = tf.reduce_max(tf.where(reach, tf.gather(choices.depths, stages), 0), axis=1)
        adds = tf.where(always, tf.ones_like(cell), adds)
        edge, chosen = tf.gather(choices.computed_edges, groups), tf.gather(choices.edges, groups)
        # A cell that is only compared needs no comparisons within it.
        edge = tf.where(adds[:, None, None] > 0, edge, tf.floor(edge) * cell[:, None, None])
        # Of one convolution, branches would cost more at the start than they save.
        leaves_out = len(space.convolutions()) > 1
        self._parts = [_parts(cell, adds, adds, cell, batch_size, leaves_out),
                       _parts(edge, chosen, chosen * adds[:, None, None], cell[:, None, None], batch_size, leaves_out)]

    def _nodes_alive(self):
        """How much of each node has an input, [groups] a node: 1 or 0 for sampled choices. Nodes without one pass
        nothing on."""
        none = self.choices.edges[:, :, self.space.primitives.index("none")]
        alive = [tf.ones_like(none[:, 0])]
        for target in range(1, self.space.num_nodes + 1):
            edges = [self.space.edges.index((source, target)) for source in range(target)]
            passing = tf.stack(alive, 1) * (1.0 - tf.gather(none, edges, axis=1))
            alive.append(1.0 - tf.reduce_prod(1.0 - passing, axis=1))
        return alive

    def _run(self, key, build):
        """build() for the part of the batch that the choices compute of a cell or, by a longer key, a candidate."""
        outer = self._part
        self._part = self._parts and self._parts[len(key) > 1][key]
        result = build()
        self._part = outer
        return result

    def _sum(self, total, terms):
        """total plus (key, result) of cells or candidates."""
        if self._parts is None:
            return self.add([total, *(term for _, term in terms)])
        for key, term in terms:
            total = add(total, term, self._parts[len(key) > 1][key])
        return total

    def edge(self, position, edge, x, identity, source, target, stride):
        group, index = self.space.groups.index(position.group), self.space.edges.index(edge)
        terms, through = [], 0.0
        for k, name in enumerate(self.space.primitives):
            primitive, coefficient = self.space.primitive(name), self._coefficients[group, index, k]
            if primitive.shortcut:
                through += coefficient
            if primitive.branch == "none":
                continue

            key = (position.index, index, k)
            terms.append((key, self._run(key, lambda primitive=primitive, name=name, coefficient=coefficient: (
                primitive_branch(self, primitive, x, identity, source, target, stride,
                                 f"{position.name}_edge_{edge[0]}_{edge[1]}_{name}", coefficient)))))
        return self._sum(through * identity, terms)

    def chain(self, stage, x, positions, run):
        coefficients = tf.unstack(self.choices.depths[stage])
        depths = {depth: i for i, depth in enumerate(self.supernet.depth_choices[stage]) if depth >= 0}
        path, total, terms = x, None, []
        for depth, position in enumerate([None, *positions]):
            key = (position.index,) if position else None
            if position:
                path = self._run(key, lambda h=path, p=position: run(take(h, self._part), p))
            if depth in depths:
                term = path if len(depths) == 1 else coefficients[depths[depth]] * path
                if total is None:  # the smallest depth is always computed
                    total = term
                else:
                    terms.append((key, term))
        return self._sum(total, terms)

    # Widths

    def _kept(self, channels: Channels | None):
        """The channels that the drawn width of their stage keeps, or None where all are there."""
        if self._widths is None or channels is None or channels.stage is None:
            return None
        if channels not in self._kept_channels:
            counts = [channels.count(width) // channels.blocks for width in self.space.width_choices]
            count = tf.gather(tf.constant(counts, tf.int32), self._widths[channels.stage])
            self._kept_channels[channels] = Kept(channels.blocks, channels.size, count)
        return self._kept_channels[channels]

    def _cut(self, variable, *channels):
        """Cuts the last axes of a variable to what is kept of these channels; None where all of it is."""
        kept = [self._kept(c) for c in channels]
        if not any(kept):
            return None
        key = (tuple(variable.shape), channels)
        if key not in self._cuts:
            self._cuts[key] = Cut(variable.shape, kept)
        return self._cuts[key]

    def _mask(self, source: Channels):
        """1 for the channels that the width of the source's stage keeps [channels], or None where all are, or no others
        are there."""
        widths = self.space.width_choices
        if source.stage is None or widths == (1.0,) or self._widths is not None:
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
        if self._widths is not None:
            if (source, target) not in self._maps:
                given, wanted = self._kept(source).total, self._kept(target).total
                matrix = tf.one_hot(tf.range(wanted) % given, given, axis=0, dtype=x.dtype)
                self._maps[source, target] = matrix[None, None]
            return tf.nn.conv2d(x, self._maps[source, target], 1, "VALID")
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
        if self._widths is not None:
            return x
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
        layer = self._layer(name, source, target, lambda: tf.keras.layers.Conv2D(
            target.total, kernel, strides=stride, padding="same", use_bias=False, name=name),
            (None, None, None, source.total))
        kernel = masked(value_of(layer.kernel, self._cut(layer.kernel, source, target)), self._mask(source))
        return tf.nn.conv2d(x, kernel, stride, "SAME")

    def _once(self, x, key, make):
        """make(x), once for all that read it."""
        key = (id(x), key)
        if key not in self._shared:
            self._shared[key] = (x, make(x))  # x is kept so that its id stays its own
        return self._shared[key][1]

    def binarize(self, x):
        return self._once(x, "sign", self._quantizer)

    def _pad(self, x, paddings):
        """x with ones around its pixels: `paddings` of rows and of columns."""
        if not np.any(paddings):
            return x
        return self._once(x, str(paddings), lambda x: tf.pad(x, [[0, 0], *paddings, [0, 0]], constant_values=1.0))

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        layer = self._layer(name, source, target, lambda: MaskedQuantConv2D(
            target.total, kernel, strides=stride, dilation_rate=dilation, padding="same", pad_values=1.0,
            kernel_quantizer=self.space.kernel_quantizer, kernel_constraint=latent_clip(self.space),
            kernel_initializer="glorot_normal", use_bias=False, name=name), (None, None, None, source.total))
        return layer(x, pad=self._pad, cut=self._cut(layer.kernel, source, target), input_mask=self._mask(source),
                     mode=self.mode, part=self._part)

    def batch_norm(self, x, channels, name, scale=None):
        layer = self._layer(name, None, channels, lambda: BatchNorm(**BATCH_NORM, name=name), (None, channels.total))
        return layer(x, mode=self.mode, scale=scale, rate=self.rate, counts=self._part and self._part.counts,
                     cut=self._cut(layer.affine, channels))

    def head(self, x, source):
        layer = self._layer("head", source, None, lambda: MaskedDense(self.supernet.num_classes, name="head"),
                            (None, source.total))
        return layer(tf.reduce_mean(x, [1, 2]), cut=self._cut(layer.kernel, source, None),
                     input_mask=self._mask(source))

    def relu(self, x):
        return tf.nn.relu(x)

    def add(self, terms):
        return tf.add_n(terms) if len(terms) > 1 else terms[0]

    def normalized_sum(self, position, nodes, channels, name):
        group = self.space.groups.index(position.group)
        alive = self._any_alive[group] if "none" in self.space.primitives else None
        return self.batch_norm(self.add(nodes), channels, name, alive)

    def concat(self, nodes):
        return tf.concat(nodes, -1)

    def shift(self, x):
        # What comes is binary already; the derived network pads with zeros, whose sign is 1.
        return self._once(x, "shift", _shifted)

    def subsample(self, x):
        # As a pooling of one pixel: the gradient of x[:, ::2, ::2] takes ten times as long.
        return self._once(x, "subsample", lambda x: tf.nn.max_pool2d(x, 1, 2, "SAME"))

    def pool(self, x, kind, size, stride=1, scale=None):
        function = tf.nn.max_pool2d if kind == "max_pool" else tf.nn.avg_pool2d
        y = function(take(x, self._part), size, stride, "SAME")
        return y if scale is None else scale * y

    def average_pool(self, x):
        return tf.nn.avg_pool2d(x, 2, 2, "SAME")


def _shifted(x):
    # A slice by `tf.slice`, whose gradient is much faster than that of x[:, 1:, 1:].
    inner = tf.slice(x, [0, 1, 1, 0], [-1, -1, -1, -1])
    return tf.pad(inner, [[0, 0], [0, 1], [0, 1], [0, 0]], constant_values=1.0)


def _parts(share, adds, learns, cell, batch_size, leaves_out):
    """A `Part` for each share of the batch. `adds` is above 0 where the result is added to something, `learns` where a
    gradient comes back from there, and `cell` is the share of the cell. `leaves_out`: whether convolutions of which
    nothing is needed are left out."""
    share, adds, learns, cell = (tf.stop_gradient(t) for t in (share, adds, learns, cell))
    images, cell = (tf.maximum(tf.cast(tf.round(s * tf.cast(batch_size, s.dtype)), tf.int32), 1) for s in (share, cell))
    backward = tf.where(learns > 0, images, 1)
    missing = tf.pad((cell - backward)[..., None, None], [[0, 0]] * share.shape.rank + [[0, 3], [1, 0]])
    computes, unknown = share > 0, dict.fromkeys(np.ndindex(*share.shape))
    fields = [_unstacked(tf.cast(computes, share.dtype)), _unstacked(adds > 0),
              _unstacked(computes) if leaves_out else unknown, _unstacked(learns > 0) if leaves_out else unknown,
              _unstacked(images[..., None], 1), _unstacked(backward[..., None], 1), _unstacked(missing, 2)]
    zero, one = tf.constant([0]), tf.constant([1])
    return {key: Part(*(f[key] for f in fields), zero, one) for key in fields[0]}


def _unstacked(tensor, rank=0):
    """The elements of a tensor by their index, made by one operation: scalars, or tensors of a rank."""
    outer, inner = tensor.shape[: tensor.shape.rank - rank], tensor.shape[tensor.shape.rank - rank:]
    return dict(zip(np.ndindex(*outer), tf.unstack(tf.reshape(tensor, [-1, *inner]))))
