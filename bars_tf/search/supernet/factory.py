"""The layer factory of the supernet: every candidate stands on its edge, weighted by the coefficients of a sample.

Candidates that are not sampled are not computed (see `compute_plan`), and what several convolutions read is
binarized and padded once.
"""

import functools
from collections.abc import MutableMapping
from typing import Any

import numpy as np

from bars_tf.legacy_keras import tf
from bars_tf.network.blocks import primitive_branch
from bars_tf.network.keras_network import BATCH_NORM, input_quantizer, latent_clip
from bars_tf.search.supernet.compute_plan import add, compute_plan, first_images
from bars_tf.search.supernet.layers import BatchNorm, MaskedDense, MaskedQuantConv2D, masked
from bars_tf.search.supernet.relaxation import Sample
from bars_tf.search.supernet.widths import Widths, value_of
from bars_tf.space.channels import Channels
from bars_tf.space.encoding import depth_grid
from bars_tf.space.search_space import SearchSpace


class SupernetFactory:
    """Builds one forward pass, of layers that all forward passes share.

    Args:
        space, num_classes, sample: the search space, and the coefficients of its candidates.
        images: images [B, H, W, C], whose number and dtype the layers get.
        layers: layers by name; those that are missing are made and added.
        channels: (source, target) channels of each layer by name, None where it has none that a width could choose;
            added with the layers.
        mode, fraction: which statistics batch normalization uses and updates, see `BatchNorm`.
    """

    def __init__(self, space: SearchSpace, num_classes: int, sample: Sample, images: tf.Tensor, *,
                 layers: MutableMapping[str, tf.keras.layers.Layer],
                 channels: MutableMapping[str, tuple[Channels | None, Channels | None]], mode: str,
                 fraction: Any = None):
        self.space, self.num_classes, self.sample = space, num_classes, sample
        self.layers, self.channels, self.mode, self.fraction = layers, channels, mode, fraction
        # Samples have the dtype of the alphas; under a policy of mixed precision images have another one.
        self._widths = Widths(space, tf.cast(sample.choices.widths, images.dtype),
                              sliced=mode != "arch" and sample.computed is not None)
        self._plan = compute_plan(space, sample, tf.shape(images)[0], images.dtype)
        self._depths, self._depth_coefficients = depth_grid(space), tf.cast(sample.choices.depths, images.dtype)
        self._quantizer, self._shared = input_quantizer(space), {}
        self._sub_batch = None  # of what is being built; None: the whole batch

    def _layer(self, name, source, target, make, build_shape):
        if name not in self.layers:
            self.layers[name] = layer = make()
            with tf.name_scope(name):
                layer.build(tf.TensorShape(build_shape))
            layer.built, layer.input_spec = True, None  # the inputs may be sliced
            self.channels[name] = source, target
        return self.layers[name]

    # Where the sample decides

    def edge(self, position, edge, x, identity, source, target, stride):
        group, index = self.space.groups.index(position.group), self.space.edges.index(edge)
        terms, through = [], self._plan.shortcuts[group, index]
        for k, name in enumerate(self.space.primitives):
            primitive, coefficient = self.space.primitive(name), self._plan.coefficients[group, index, k]
            if primitive.branch != "none":
                key = (position.index, index, k)
                terms.append((key, self._run(key, functools.partial(
                    primitive_branch, self, primitive, x, identity, source, target, stride,
                    f"{position.name}_edge_{edge[0]}_{edge[1]}_{name}", coefficient))))
        return self._sum(through * identity, terms)

    def normalized_sum(self, position, nodes, channels, name):
        has_input = self._plan.has_input
        scale = None if has_input is None else has_input[self.space.groups.index(position.group)]
        return self.batch_norm(self.add(nodes), channels, name, scale)

    def chain(self, stage, x, positions, run):
        coefficients = tf.unstack(self._depth_coefficients[stage])
        depths = {depth: i for i, depth in enumerate(self._depths[stage]) if depth >= 0}
        path, total, terms = x, None, []
        for depth, position in enumerate([None, *positions]):
            key = (position.index,) if position else None
            if position:
                path = self._run(key, lambda h=path, p=position: run(first_images(h, self._sub_batch), p))
            if depth in depths:
                term = path if len(depths) == 1 else coefficients[depths[depth]] * path
                if total is None:  # the smallest depth is always computed
                    total = term
                else:
                    terms.append((key, term))
        return self._sum(total, terms)

    def _run(self, key, build):
        """build() for the sub-batch of a cell or a candidate."""
        outer, batches = self._sub_batch, self._plan.sub_batches
        self._sub_batch = None if batches is None else batches[key]
        result = build()
        self._sub_batch = outer
        return result

    def _sum(self, total, terms):
        """total plus (key, result) of cells or candidates."""
        if self._plan.sub_batches is None:
            return self.add([total, *(term for _, term in terms)])
        for key, term in terms:
            total = add(total, term, self._plan.sub_batches[key])
        return total

    def map_channels(self, x, source, target):
        return self._widths.map_channels(x, source, target)

    def merge_halves(self, halves, target):
        return self._widths.merge_halves(halves, target)

    # Layers

    def conv(self, x, source, target, kernel, stride, name):
        layer = self._layer(name, source, target, lambda: tf.keras.layers.Conv2D(
            target.total, kernel, strides=stride, padding="same", use_bias=False, name=name),
            (None, None, None, source.total))
        kernel = value_of(layer.kernel, self._widths.slice_of(layer.kernel, source, target))
        return tf.nn.conv2d(x, masked(kernel, self._widths.mask_of(source)), stride, "SAME")

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        layer = self._layer(name, source, target, lambda: MaskedQuantConv2D(
            target.total, kernel, strides=stride, dilation_rate=dilation, padding="same", pad_values=1.0,
            kernel_quantizer=self.space.kernel_quantizer, kernel_constraint=latent_clip(self.space),
            kernel_initializer="glorot_normal", use_bias=False, name=name), (None, None, None, source.total))
        return layer(x, pad=self._pad, channels=self._widths.slice_of(layer.kernel, source, target),
                     input_mask=self._widths.mask_of(source), mode=self.mode, sub_batch=self._sub_batch)

    def batch_norm(self, x, channels, name, scale=None):
        layer = self._layer(name, None, channels, lambda: BatchNorm(**BATCH_NORM, name=name), (None, channels.total))
        return layer(x, mode=self.mode, scale=scale, fraction=self.fraction,
                     counts=self._sub_batch and self._sub_batch.counts,
                     channels=self._widths.slice_of(layer.affine, channels))

    def head(self, x, source):
        layer = self._layer("head", source, None, lambda: MaskedDense(
            self.num_classes, dtype=self.sample.choices.edges.dtype, name="head"),
                            (None, source.total))
        return layer(tf.reduce_mean(x, [1, 2]), channels=self._widths.slice_of(layer.kernel, source, None),
                     input_mask=self._widths.mask_of(source))

    def relu(self, x):
        return tf.nn.relu(x)

    def add(self, terms):
        return tf.add_n(terms) if len(terms) > 1 else terms[0]

    def concat(self, nodes):
        return tf.concat(nodes, -1)

    def average_pool(self, x):
        return tf.nn.avg_pool2d(x, 2, 2, "SAME")

    def pool(self, x, kind, size, stride=1, scale=None):
        function = tf.nn.max_pool2d if kind == "max_pool" else tf.nn.avg_pool2d
        y = function(first_images(x, self._sub_batch), size, stride, "SAME")
        return y if scale is None else scale * y

    # Shared by all layers that read a tensor

    def _once(self, x, key, make):
        key = (id(x), key)
        if key not in self._shared:
            self._shared[key] = (x, make(x))  # x is kept so that its id stays its own
        return self._shared[key][1]

    def binarize(self, x):
        return self._once(x, "sign", self._quantizer)

    def _pad(self, x, paddings):
        """x padded with ones, by `paddings` of rows and of columns."""
        if not np.any(paddings):
            return x
        return self._once(x, str(paddings), lambda x: tf.pad(x, [[0, 0], *paddings, [0, 0]], constant_values=1.0))

    def shift(self, x):
        # One pixel up and left, padded with ones: the signs of the zeros with which the derived network pads. A slice
        # by `tf.slice`, whose gradient is much faster than that of x[:, 1:, 1:].
        return self._once(x, "shift", lambda x: tf.pad(tf.slice(x, [0, 1, 1, 0], [-1, -1, -1, -1]), [
            [0, 0], [0, 1], [0, 1], [0, 0]], constant_values=1.0))

    def subsample(self, x):
        # As a pooling of one pixel: the gradient of x[:, ::2, ::2] takes ten times as long.
        return self._once(x, "subsample", lambda x: tf.nn.max_pool2d(x, 1, 2, "SAME"))
