# The template of the modules that `zoo_module` writes: `zoo_template` becomes the name of the model; words in double
# braces and the values of the constants become those of its network. The values here are those of a small example.
"""A binary neural network for {{ dataset }}, found by bars_tf.

`zoo_template` makes the model.
`preprocess_input` prepares images for it. It needs tensorflow, larq, larq-zoo, and the files of weights beside it.
"""

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Larq is written for Keras 2, and which one tf.keras is gets settled when TensorFlow is imported.
if ("tensorflow" in sys.modules and "TF_USE_LEGACY_KERAS" not in os.environ
        and [int(n) for n in sys.modules["tensorflow"].__version__.split(".")[:2]] >= [2, 16]):
    raise ImportError("needs Keras 2: import this before TensorFlow, or set TF_USE_LEGACY_KERAS=1 before that")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import larq as lq
import tensorflow as tf
from larq_zoo.core import utils
from larq_zoo.core.model_factory import ModelFactory
from zookeeper import Field, factory

INPUT_SHAPE = (28, 28, 1)
CLASS_NAMES = ("cat", "dog")
# Mean and standard deviation of the training images, one value a channel, where 255 is 1.
MEAN = (0.5,)
STD = (0.25,)
# Files of the trained weights and their SHA-256, with the classifier and without.
WEIGHTS = {True: ("zoo_template_weights.h5", ""), False: ("zoo_template_weights_notop.h5", "")}
# Filters, kernel and strides of each float convolution of the stem; "max_pool" in place of filters is a pooling.
STEM = ((4, 3, 2), (16, 1, 1))
# "concatenated": node 0 is the squeezed main path, to which the concatenated nodes are added. "full_width": node 0 is
# the main path, to which all nodes are added. "backbone": the sum of the nodes stands beside convolutions of the cell.
CELL_KIND = "concatenated"
# Cells: name, filters of a node, strides, topology; with a backbone also the number of convolutions of its own.
CELLS = (("cell_0", 8, 1, "normal_0"), ("cell_1", 16, 2, "reduction"))
# The inputs of each node of a topology: an earlier node, and the primitive on the edge from there.
TOPOLOGIES = {"normal_0": (((0, "bin_conv_3x3"),), ((1, "skip"),)), "reduction": (((0, "skip"),), ())}
# Branch, kernel, dilation, whether a ReLU follows the convolution, whether the shortcut is added.
PRIMITIVES = {"skip": ("none", 0, 1, True, True), "bin_conv_3x3": ("bin_conv", 3, 1, True, True)}
# Past a cell of stride 2: the shortcut, "average" or "transition", and the kernel of a binary convolution, 0 for none.
REDUCTION = ("average", 3)
# How often each binary convolution stands in parallel.
NUM_PATHS = 1
INPUT_QUANTIZER = {"class_name": "SteSign", "config": {"clip_value": 1.3}}
KERNEL_QUANTIZER = "ste_sign"
LATENT_CLIP = 1.0
BATCH_NORM = {"momentum": 0.9, "epsilon": 0.001}
# Behind each convolution of a backbone, and before the classifier: "relu" or "none".
ACTIVATIONS = ("none", "none")

layers = tf.keras.layers


def preprocess_input(images):
    """Images [..., height, width, channels] of numbers from 0 to 255 as the network expects them, float32."""
    if (images := tf.convert_to_tensor(images)).shape[-1:] != len(MEAN):
        raise ValueError(f"images of shape {images.shape}: the last axis must hold {len(MEAN)} channels")
    scale = tf.constant([1 / (255 * std) for std in STD], tf.float32)
    offset = tf.constant([mean / std for mean, std in zip(MEAN, STD, strict=True)], tf.float32)
    return tf.cast(images, tf.float32) * scale - offset


def trained_weights(include_top: bool) -> str:
    """Path of the trained weights. Raises: ValueError if they are not those that belong to this file."""
    path, sha256 = Path(__file__).with_name(WEIGHTS[include_top][0]), WEIGHTS[include_top][1]
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != sha256:
        raise ValueError(f"{path}: damaged or of another export: SHA-256 is {found}, expected is {sha256}")
    return str(path)


@factory
class zoo_templateFactory(ModelFactory):
    """Stem, cells, classifier, whose logits are float32 also in mixed precision."""

    name = "zoo_template"
    input_tensor: object = Field(None)  # Larq Zoo's own type leaves out Keras tensors of newer TensorFlows

    def batch_norm(self, x, name):
        return layers.BatchNormalization(**BATCH_NORM, name=name)(x)

    def pool(self, x, kind, size, strides=1):
        layer = layers.MaxPooling2D if kind == "max_pool" else layers.AveragePooling2D
        return layer(size, strides=strides, padding="same")(x)

    def add(self, terms):
        """The sum of the terms that are not None, or None."""
        terms = [term for term in terms if term is not None]
        return layers.Add()(terms) if len(terms) > 1 else (terms or [None])[0]

    def float_conv(self, x, filters, kernel, strides, name):
        x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
        return self.batch_norm(x, f"{name}_bn")

    def stem(self, x):
        """Float convolutions with ReLU between them."""
        for i, (filters, kernel, strides) in enumerate(STEM):
            x = (self.pool(x, "max_pool", kernel, strides) if filters == "max_pool" else
                 self.float_conv(layers.ReLU()(x) if i else x, filters, kernel, strides, f"stem_{i}"))
        return x

    def binary_conv(self, x, filters, kernel, strides, dilation, name):
        """The signs of x, convolved with the signs of the kernel; padded with ones, so that the border is binary."""
        if strides == 2 and (kernel == 1 or dilation == 2):  # sees every second pixel: all of the subsampled image
            x, strides, dilation = self.pool(x, "max_pool", 1, strides=2), 1, 1
        return lq.layers.QuantConv2D(
            filters, kernel, strides=strides, dilation_rate=dilation, padding="same", pad_values=1.0,
            input_quantizer=lq.quantizers.get(INPUT_QUANTIZER), kernel_quantizer=KERNEL_QUANTIZER,
            kernel_constraint=lq.constraints.WeightClip(clip_value=LATENT_CLIP), kernel_initializer="glorot_normal",
            use_bias=False, name=name)(x)

    def block(self, x, filters, kernel, name, strides=1, dilation=1, relu=True, paths=NUM_PATHS):
        """Binary convolution, ReLU, batch norm: the order that the Larq Compute Engine fuses.

        Several `paths` are summed, each with a learnt shift before its signs. At stride 2, but in a backbone, half of
        the filters see x, the other half see it shifted by one pixel.
        """
        if paths > 1:
            return self.add([
                self.block(self.batch_norm(x, f"{path}_shift_bn"), filters, kernel, path, strides, dilation, relu, 1)
                for path in (f"{name}_path_{i}" for i in range(paths))])
        if strides == 1 or CELL_KIND == "backbone":
            x = self.binary_conv(x, filters, kernel, strides, dilation, f"{name}_conv")
        else:
            shifted = layers.ZeroPadding2D(((0, 1), (0, 1)))(layers.Cropping2D(((1, 0), (1, 0)))(x))
            x = layers.Concatenate()([
                self.binary_conv(image, filters // 2, kernel, strides, dilation, f"{name}_{half}")
                for half, image in (("even", x), ("odd", shifted))])
        return self.batch_norm(layers.ReLU()(x) if relu else x, f"{name}_bn")

    def mapped(self, x, filters, strides):
        """What a shortcut carries: at stride 2 averages; output channel j is channel j modulo their number."""
        x = self.pool(x, "avg_pool", 2, strides=2) if strides == 2 else x
        copies = -(-filters // x.shape[-1])
        x = layers.Concatenate()([x] * copies) if copies > 1 else x
        if x.shape[-1] > filters:  # cut as columns, which stock layers can
            height, width, channels = x.shape[1:]
            x = layers.Reshape((height * width, channels, 1))(x)
            x = layers.Cropping2D(((0, 0), (0, channels - filters)))(x)
            x = layers.Reshape((height, width, filters))(x)
        return x

    def reduction(self, x, filters, name):
        """What leads past a cell of stride 2."""
        kind, kernel = REDUCTION
        if kind == "transition":  # QuickNet's: max pooling, blur, float convolution
            shortcut = self.pool(self.pool(layers.ReLU()(x), "max_pool", 2), "avg_pool", 2)
            shortcut = self.float_conv(self.pool(shortcut, "avg_pool", 2, 2), filters, 1, 1, f"{name}_transition")
        else:
            shortcut = self.mapped(x, filters, 2)
        return self.add([self.block(x, filters, kernel, f"{name}_shortcut", 2) if kernel else None, shortcut])

    def edge(self, x, shortcut, primitive, filters, strides, name):
        """A primitive on x, a node, and the shortcut that leads past it."""
        branch, kernel, dilation, relu, adds_shortcut = PRIMITIVES[primitive]
        if branch == "none":
            return shortcut
        x = (self.block(x, filters, kernel, name, strides, dilation, relu) if branch == "bin_conv" else
             self.pool(shortcut, branch, kernel))
        return self.add([x, shortcut]) if adds_shortcut else x

    def nodes(self, x, filters, strides, topology, name):
        """The nodes behind node 0, which is x: each is the sum of its inputs, None without any."""
        nodes, first = [x], self.mapped(x, filters, strides)
        for target, inputs in enumerate(TOPOLOGIES[topology], start=1):
            nodes.append(self.add([
                self.edge(nodes[source], nodes[source] if source else first, primitive, filters,
                          1 if source else strides, f"{name}_edge_{source}_{target}_{primitive}")
                for source, primitive in inputs]))
        return nodes[1:]

    def cell(self, x, name, filters, strides, topology):
        """Nodes of `filters` channels, concatenated or summed, and a shortcut past them."""
        blocks = 1 if CELL_KIND == "full_width" else len(TOPOLOGIES[topology])
        shortcut = self.reduction(x, filters * blocks, name) if strides == 2 else x
        if CELL_KIND == "full_width":
            return self.add([*self.nodes(x, filters, strides, topology, name), shortcut])
        x = self.block(x, x.shape[-1] // blocks, 1, f"{name}_process")
        nodes = self.nodes(x, filters, strides, topology, name)
        if not (present := [node for node in nodes if node is not None]):
            return shortcut
        nodes = [layers.Rescaling(0.0)(present[0]) if node is None else node for node in nodes]
        return self.add([layers.Concatenate()(nodes) if blocks > 1 else nodes[0], shortcut])

    def backbone_cell(self, x, name, filters, strides, topology, convolutions):
        """Binary convolutions, a shortcut past each, and the batch-normalized sum of the nodes beside them."""
        path = x
        for i in range(convolutions):
            shortcut = path
            if i == 0 and (strides == 2 or filters != x.shape[-1]):
                shortcut = self.pool(x, "avg_pool", 2, strides=2) if strides == 2 else x
                shortcut = self.float_conv(shortcut, filters, 1, 1, f"{name}_downsample")
            path = self.add([self.block(path, filters, 3, f"{name}_backbone_{i}", 1 if i else strides,
                                        relu=ACTIVATIONS[0] == "relu"), shortcut])
        total = self.add(self.nodes(x, filters, strides, topology, name))
        return self.add([path, None if total is None else self.batch_norm(total, f"{name}_nodes_bn")])

    def build(self) -> tf.keras.models.Model:
        x = self.stem(self.image_input)
        for cell in CELLS:
            x = (self.backbone_cell if CELL_KIND == "backbone" else self.cell)(x, *cell)
        if self.include_top:
            x = layers.ReLU()(x) if ACTIVATIONS[1] == "relu" else x
            x = layers.Dense(self.num_classes, dtype="float32", name="head")(layers.GlobalAveragePooling2D()(x))
        model = tf.keras.Model(self.image_input, x, name=self.name)
        if self.weights is not None:
            model.load_weights(self.weights)
        return model


def zoo_template(
        *, input_shape: Sequence[int | None] | None = None, input_tensor: utils.TensorType | None = None,
        weights: str | os.PathLike | None = "trained", include_top: bool = True,
        num_classes: int = len(CLASS_NAMES)) -> tf.keras.models.Model:
    """Instantiates the network: a Keras model from images, prepared by `preprocess_input`, to logits or features.

    # Metrics on {{ dataset }}
    | Top-1 accuracy | Parameters | Memory |
    | -------------- | ---------- | ------ |
    | {{ accuracy }} | {{ params }} | {{ memory }} |

    # Arguments
        input_shape: shape of the images; by default INPUT_SHAPE.
        input_tensor: optional Keras tensor to use as image input.
        weights: "trained", None (random initialization), or the path of a file of weights.
        include_top: whether to include the average over all pixels and the classifier.
        num_classes: number of classes of the classifier; with the trained weights that of CLASS_NAMES.
    # Raises
        ValueError: weights for another number of classes or channels, of another file, or that are not there.
    """
    input_shape = INPUT_SHAPE if input_shape is None else tuple(input_shape)
    shape = input_shape if input_tensor is None else tuple(input_tensor.shape[1:])
    if len(shape) != 3 or tf.keras.backend.image_data_format() != "channels_last":
        raise ValueError(f"images of shape {shape}: (height, width, channels) is needed, with Keras's channels_last")
    if weights == "trained":
        if include_top and num_classes != (trained := len(CLASS_NAMES)):
            raise ValueError(f"trained weights are for {trained} classes, not {num_classes}; use include_top=False")
        if shape[-1] != INPUT_SHAPE[-1]:
            raise ValueError(f"trained weights are for images of {INPUT_SHAPE[-1]} channels, not {shape[-1]}")
        weights = trained_weights(include_top)
    elif weights is not None and not os.path.isfile(weights):
        raise ValueError(f"weights={weights!r}: no such file; use a path, 'trained' or None")
    return zoo_templateFactory(
        input_shape=input_shape, input_tensor=input_tensor, weights=weights and os.fspath(weights),
        include_top=include_top, num_classes=num_classes).build()
