"""The derived network of a genotype, of stock Keras and Larq layers only."""

from bars_tf.legacy_keras import lq, require_channels_last, tf
from bars_tf.network.builder import build, check_arguments
from bars_tf.network.genotype_factory import GenotypeFactory
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace

BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-3}
# BARS's code lets the gradient through where |x| < 1.3.
STE_CLIP = 1.3


def input_quantizer(space: SearchSpace):
    """The quantizer of activations."""
    if space.input_quantizer == "ste_sign":
        return lq.quantizers.SteSign(clip_value=STE_CLIP)
    return lq.quantizers.get(space.input_quantizer)


def latent_clip(space: SearchSpace):
    """The constraint of latent weights."""
    return lq.constraints.WeightClip(clip_value=space.latent_clip)


# Without AutoGraph: no layer here branches on a tensor, and rewriting Larq's calls, layer by layer, takes a quarter of
# the time.
@tf.autograph.experimental.do_not_convert
def build_network(genotype: Genotype, input_shape: tuple[int, int, int], num_classes: int, *,
                  dropout: float = 0.0, precision: str = "binary", name: str | None = None) -> tf.keras.Model:
    """A Keras model that maps images [B, *input_shape] to logits [B, num_classes].

    It holds the chosen layers alone, for any policy of mixed precision.

    Args:
        input_shape: (height, width, channels) of an image.
        dropout: rate of the dropout before the classifier; 0: none.
        precision: "binary"; "float_kernels", binary activations and float kernels; or "float", the float twin: the same
            network with ReLUs in place of signs, and float convolutions.
        name: of the model; None: the name of the genotype's space.
    """
    check_arguments(genotype.space, input_shape, num_classes)
    require_channels_last()
    image = tf.keras.layers.Input(input_shape)
    factory = {"binary": KerasFactory, "float_kernels": FloatKernelFactory, "float": FloatFactory}[precision]
    logits = build(factory(genotype, num_classes, dropout), image, input_shape[-1])
    return tf.keras.Model(image, logits, name=name or genotype.space.name)


def in_float32(model: tf.keras.Model) -> tf.keras.Model:
    """A network that was built under a policy of mixed precision, as one that computes in float32."""
    def float32(config):  # also of the quantizers, which are layers within layers
        if isinstance(config, dict):
            return {name: "float32" if name == "dtype" else float32(value) for name, value in config.items()}
        return [float32(value) for value in config] if isinstance(config, list) else config

    copy = tf.keras.models.clone_model(
        model, clone_function=lambda layer: layer.from_config(float32(layer.get_config())))
    copy.set_weights(model.get_weights())
    return copy


class KerasFactory(GenotypeFactory):
    """The layer factory of the derived network: every method adds stock layers to a functional Keras model."""

    binary_layer = lq.layers.QuantConv2D

    def __init__(self, genotype: Genotype, num_classes: int, dropout: float = 0.0):
        super().__init__(genotype, num_classes)
        self.dropout = dropout

    def conv(self, x, source, target, kernel, stride, name):
        return tf.keras.layers.Conv2D(
            self._count(target), kernel, strides=stride, padding="same", use_bias=False, name=name)(x)

    def binarize(self, x):
        return x  # the convolution's own quantizer takes the sign: the form that Larq counts and converts as binary

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        # Padding with ones keeps the padded image binary: the form that deployment computes without a correction.
        return self.binary_layer(
            self._count(target), kernel, strides=stride, dilation_rate=dilation, padding="same", pad_values=1.0,
            input_quantizer=input_quantizer(self.space), kernel_quantizer=self.kernel_quantizer(),
            kernel_constraint=latent_clip(self.space), kernel_initializer="glorot_normal", use_bias=False, name=name)(x)

    def kernel_quantizer(self):
        return self.space.kernel_quantizer

    def batch_norm(self, x, channels, name, scale=None):
        return tf.keras.layers.BatchNormalization(**BATCH_NORM, name=name)(x)

    def relu(self, x):
        return tf.keras.layers.ReLU()(x)

    def _sum(self, terms):
        return tf.keras.layers.Add()(terms)

    def _zeros(self, like):
        return tf.keras.layers.Rescaling(0.0)(like)

    @staticmethod
    def _concatenate(tensors):
        return tf.keras.layers.Concatenate()(tensors) if len(tensors) > 1 else tensors[0]

    def shift(self, x):
        # Cropping alone and "same" padding would return to the first grid.
        x = tf.keras.layers.Cropping2D(((1, 0), (1, 0)))(x)
        return tf.keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(x)

    def subsample(self, x):
        return tf.keras.layers.MaxPooling2D(1, strides=2, padding="same")(x)

    def average_pool(self, x):
        return tf.keras.layers.AveragePooling2D(2, padding="same")(x)

    def pool(self, x, kind, size, stride=1, scale=None):
        layer = tf.keras.layers.MaxPooling2D if kind == "max_pool" else tf.keras.layers.AveragePooling2D
        return layer(size, strides=stride, padding="same")(x)

    def map_channels(self, x, source, target):
        """Output channel j is input channel j mod C_in: copies, concatenated and cut to length."""
        wanted, given = self._count(target), x.shape[-1]
        copies = -(-wanted // given)
        x = self._concatenate([x] * copies)
        if wanted == copies * given:
            return x
        # Stock layers cut spatial axes only: the channels become columns for that.
        height, width = x.shape[1:3]
        x = tf.keras.layers.Reshape((height * width, copies * given, 1))(x)
        x = tf.keras.layers.Cropping2D(((0, 0), (0, copies * given - wanted)))(x)
        return tf.keras.layers.Reshape((height, width, wanted))(x)

    def head(self, x, source):
        x = tf.keras.layers.GlobalAveragePooling2D()(x)
        if self.dropout:
            # With a generator of its own, whose state can be saved, and a name that no earlier network changes.
            x = tf.keras.layers.Dropout(self.dropout, rng_type="stateful", name="dropout")(x)
        return tf.keras.layers.Dense(self.num_classes, dtype="float32", name="head")(x)  # also in mixed precision


class FloatKernelFactory(KerasFactory):
    """Binary activations and float kernels, in which NASB pre-trains. The variables are those of the binary network."""

    def kernel_quantizer(self):
        return None


class FloatFactory(KerasFactory):
    """The float twin: in place of each sign a ReLU, of each binary convolution a float one, padded with zeros."""

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        # The sign is the only non-linearity of a Bi-Real backbone: without another in its place the twin were linear.
        x = tf.keras.layers.ReLU()(x)
        return tf.keras.layers.Conv2D(self._count(target), kernel, strides=stride, dilation_rate=dilation,
                                      padding="same", use_bias=False, name=name)(x)
