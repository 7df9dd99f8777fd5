"""Conversion of a Keras model to a file of the Larq Compute Engine, and such a file as a model."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bars_tf.errors import Failure, blame
from bars_tf.export import tflite_file
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.builder import build
from bars_tf.network.keras_network import KerasFactory
from bars_tf.space.genotype import Genotype
from bars_tf.training.evaluation import Classifier

# Names of tensors begin with that of the model and are cut to 50 characters: a short one leaves room for the layer's.
MODEL_NAME = "net"
MISSING = ("larq-compute-engine is not installed, which needs Python 3.10 to 3.12 and NumPy 1; bin/export and "
           "bin/evaluate get it where they find such a Python ('uv python install 3.11'), pip by 'bars_tf[deploy]'")


def is_available() -> bool:
    """Whether the Larq Compute Engine can be imported."""
    try:
        import larq_compute_engine  # noqa: F401
    except ImportError:
        return False
    return True


class DirectConv2D(lq.layers.QuantConv2D):
    """A binary convolution that dilates its kernel.

    Keras's `tf.nn.convolution` splits the image into a batch of subsampled ones instead. The converter undoes that only
    where a single convolution reads them; two on one node would become float convolutions.
    """

    def convolution_op(self, inputs, kernel):
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)


class FusibleFactory(KerasFactory):
    """The layer factory of the same network, arranged for the converter.

    ReLU and batch norm stand on each half of a factorized convolution, before the halves are concatenated, because
    there the converter fuses them into the binary convolutions. A tensor in halves is a tuple. Channels are cut by a
    slice, for which no stock Keras layer exists.
    """

    binary_layer = DirectConv2D

    def merge_halves(self, halves, target):
        return tuple(halves)

    def relu(self, x):
        return tuple(map(super().relu, x)) if isinstance(x, tuple) else super().relu(x)

    def batch_norm(self, x, channels, name, scale=None):
        if not isinstance(x, tuple):
            return super().batch_norm(x, channels, name)
        return self._concatenate([super(FusibleFactory, self).batch_norm(half, channels.half(), _half_name(name, place))
                                  for place, half in zip(("even", "odd"), x)])

    def map_channels(self, x, source, target):
        wanted = self._count(target)
        x = self._concatenate([x] * -(-wanted // x.shape[-1]))
        return x[..., :wanted] if x.shape[-1] > wanted else x


def _half_name(batch_norm: str, place: str) -> str:
    return f"{batch_norm.removesuffix('_bn')}_{place}_bn"


def fusible(genotype: Genotype, model: tf.keras.Model) -> tf.keras.Model:
    """Arranges the layers of a network for the converter.

    Returns: a model that computes the same as `model`, the trained one of `build_network`, with the same weights.
    """
    image = tf.keras.layers.Input(model.input_shape[1:])
    logits = build(FusibleFactory(genotype, model.output_shape[-1]), image, image.shape[-1])
    arranged = tf.keras.Model(image, logits, name=MODEL_NAME)
    given = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    for name in list(given):
        if name.endswith("_bn"):
            halves = zip(*(np.array_split(values, 2) for values in given[name]))
            given.update((_half_name(name, place), list(half)) for place, half in zip(("even", "odd"), halves))
    for layer in arranged.layers:
        if layer.weights:
            layer.set_weights(given[layer.name])
    return arranged


class EngineBatchNorm(tf.keras.layers.BatchNormalization):
    """Batch norm with the rounding of the engine's binary convolution (its `output_transform.h`).

    The engine counts the products that are -1. For a sum x of `products` products, twice that count is products - x,
    and the result is

        (products - x) * -scale + (shift + products * scale),

    whose constant in parentheses is large and rounds about a hundred times as coarsely as x.
    """

    def __init__(self, products: int, **options):
        super().__init__(**options)
        self.products = products

    def call(self, x, training=False):
        scale = self.gamma * tf.math.rsqrt(self.moving_variance + self.epsilon)
        shift, scale_64 = (tf.cast(values, tf.float64) for values in (self.beta - self.moving_mean * scale, scale))
        return (self.products - x) * -scale + tf.cast(shift + self.products * scale_64, x.dtype)


def with_engine_rounding(model: tf.keras.Model) -> tf.keras.Model:
    """The same network with the engine's rounding, which separates rounding from a fault of the file.

    Only for kernels that are signs; layers with scaled kernels stay as they are.
    """

    def copy(layer):
        config = layer.get_config()
        if isinstance(layer, tf.keras.layers.BatchNormalization) and (products := _fused_products(layer)):
            return EngineBatchNorm(products, **config)
        return layer.from_config(config)

    twin = tf.keras.models.clone_model(model, clone_function=copy)
    twin.set_weights(model.get_weights())
    return twin


def _fused_products(batch_norm: tf.keras.layers.Layer) -> int | None:
    """The number of products in a sum before a batch norm that the engine fuses into a binary convolution, or None."""
    source = batch_norm.input._keras_history.layer
    if isinstance(source, tf.keras.layers.ReLU):
        source = source.input._keras_history.layer
    is_binary = isinstance(source, lq.layers.QuantConv2D) and getattr(
        source.kernel_quantizer, "name", "").startswith("ste_sign")
    return int(np.prod(source.kernel.shape[:3])) if is_binary else None


def convert(model: tf.keras.Model) -> bytes:
    """Converts a model to the bytes of a `.tflite` file for one image a call."""
    # From the traced function alone, which takes a fifth of the time that the Keras model takes.
    from larq_compute_engine import convert_saved_model

    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")]
    module = tf.Module()
    module.variables_of_model = model.variables
    module.predict = tf.function(lambda image: model(image, training=False), signature, autograph=False)
    with tempfile.TemporaryDirectory() as directory:
        tf.saved_model.save(module, directory, signatures=module.predict)
        return convert_saved_model(directory)


def interpreter(data: bytes) -> Callable[[np.ndarray], np.ndarray]:
    """Loads a `.tflite` file into the interpreter of the Larq Compute Engine.

    Returns: a function from images [batch, height, width, channels] to logits [batch, classes].
    Raises: RuntimeError if the interpreter does not take the file.
    """
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    return Interpreter(data).predict


def load_tflite(path: str) -> Classifier:
    """Reads a `.tflite` file, which the interpreter of the Larq Compute Engine runs.

    Raises:
        InputError: the file cannot be read or maps no images to classes.
        Failure: the engine is not installed.
    """
    with blame("model", path):
        contents = tflite_file.read(path)
        if len(contents.input_shape) != 4 or len(contents.output_shape) != 2:
            raise ValueError(f"maps {contents.input_shape} to {contents.output_shape}, not images to classes")
        if not is_available():
            raise Failure(f"cannot run {path}: {MISSING}")
        try:
            predict = interpreter(Path(path).read_bytes())
        except RuntimeError as error:
            raise ValueError(f"the Larq Compute Engine does not take it ({str(error).splitlines()[0][:200]})") from None
    return Classifier(lambda images: predict(images.numpy()), contents.input_shape[1:], contents.output_shape[-1])
