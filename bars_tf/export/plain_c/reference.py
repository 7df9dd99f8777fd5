"""The Keras network that rounds as its C code does: every sum is added in the order of `templates/operations.c`, and
activations are rounded to float16 where that does so.

Where a sum rounds across 0 a sign flips, and the logits of an image differ visibly. Against this network a difference
is a fault instead.
"""

import functools

from bars_tf.export.plain_c.calls import CallList
from bars_tf.legacy_keras import tf
from bars_tf.network.builder import build
from bars_tf.network.keras_network import KerasFactory
from bars_tf.space.genotype import Genotype


@tf.autograph.experimental.do_not_convert  # as `build_network`
def reference(genotype: Genotype, model: tf.keras.Model, calls: CallList, activations: str) -> tf.keras.Model:
    """A model that computes what `model`, the trained network of `genotype`, does.

    Args:
        calls: of the C code.
        activations: of `settings.ACTIVATIONS`.
    """
    image = tf.keras.layers.Input(model.input_shape[1:])
    factory = _OrderedFactory(genotype, model.output_shape[-1], calls, activations)
    logits = build(factory, image, image.shape[-1])
    ordered = tf.keras.Model(image, logits)
    for layer in ordered.layers:
        if layer.weights:
            layer.set_weights(calls.affine.get(layer.name) or model.get_layer(layer.name).get_weights())
    return ordered


class _OrderedFactory(KerasFactory):
    """Layers that take their sums one term after the other, multiplication and addition rounded apart."""

    def __init__(self, genotype: Genotype, num_classes: int, calls: CallList, activations: str):
        super().__init__(genotype, num_classes)
        self.calls, self.activations = calls, activations

    def _held(self, x):
        """What C reads back of a tensor."""
        if self.activations == "float32":
            return x
        largest = tf.float16.max
        return tf.keras.layers.Lambda(
            lambda x: tf.cast(tf.cast(tf.clip_by_value(x, -largest, largest), tf.float16), tf.float32))(x)

    def kernel_quantizer(self):
        return "ste_sign"  # a scale of the kernel is in that of the batch norm; sums of signs are exact in any order

    def conv(self, x, source, target, kernel, stride, name):
        return _Conv2D(self._count(target), kernel, strides=stride, padding="same", use_bias=False, name=name)(x)

    def batch_norm(self, x, channels, name, scale=None):
        if name in self.calls.held:
            return self._held(_Affine(name=name)(x))
        return _Affine(name=name)(self._held(x))

    def _sum(self, terms):
        return functools.reduce(lambda x, y: self._held(super(_OrderedFactory, self)._sum([x, y])), terms)

    def pool(self, x, kind, size, stride=1, scale=None):
        if kind == "max_pool":
            return super().pool(x, kind, size, stride)
        return self._held(_AveragePooling2D(size, strides=stride, padding="same")(x))

    def average_pool(self, x):
        return self.pool(x, "avg_pool", 2, stride=2)

    def head(self, x, source):
        return _Dense(self.num_classes, name="head")(self._held(_Mean()(x)))


def _sum(terms):
    total = 0.0
    for term in terms:
        total = total + term
    return total


def _under_windows(x, sizes, strides):
    """The pixels under each place of a window, place by place; those outside are 0."""
    patches = tf.image.extract_patches(x, [1, *sizes, 1], [1, *strides, 1], [1, 1, 1, 1], "SAME")
    return tf.split(patches, sizes[0] * sizes[1], axis=-1)


class _Conv2D(tf.keras.layers.Conv2D):
    def call(self, x):
        kernel = tf.unstack(tf.reshape(self.kernel, (-1, self.filters)))
        values = (image[..., c:c + 1] for image in _under_windows(x, self.kernel_size, self.strides)
                  for c in range(x.shape[-1]))
        return _sum(value * weights for value, weights in zip(values, kernel))


class _Dense(tf.keras.layers.Dense):
    def call(self, x):
        return _sum(x[:, c:c + 1] * weights for c, weights in enumerate(tf.unstack(self.kernel))) + self.bias


class _AveragePooling2D(tf.keras.layers.AveragePooling2D):
    def call(self, x):
        total, count = (_sum(_under_windows(values, self.pool_size, self.strides))
                        for values in (x, tf.ones_like(x[:1])))
        return total / count


class _Mean(tf.keras.layers.Layer):
    def call(self, x):
        pixels = tf.unstack(tf.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3])), axis=1)
        return _sum(pixels) / float(len(pixels))


class _Affine(tf.keras.layers.Layer):
    def build(self, shape):
        self.scale, self.offset = (self.add_weight(name, (shape[-1],)) for name in ("scale", "offset"))

    def call(self, x):
        return x * self.scale + self.offset
