"""Accuracy of a trained network."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import h5py
import numpy as np

from bars_tf.data import pipeline as data
from bars_tf.data.pipeline import ImageData
from bars_tf.data.splits import reading
from bars_tf.errors import InputError, blame
from bars_tf.legacy_keras import lq, tf
from bars_tf.training.progress import Progress

# A model file is data: what could run code when it is loaded (Lambda, names of functions) is not built.
KNOWN_LAYERS = frozenset((
    "Activation", "Add", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D", "Cropping2D", "Dense",
    "Dropout", "Flatten", "GlobalAveragePooling2D", "InputLayer", "MaxPooling2D", "QuantConv2D", "ReLU", "Rescaling",
    "Reshape", "ZeroPadding2D"))
CONTAINERS = frozenset(("Functional", "Model", "Sequential"))
# What else a configuration builds: initializers, quantizers, constraints, regularizers.
KNOWN_OBJECTS = frozenset((
    "ApproxSign", "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "L1", "L1L2", "L2",
    "MagnitudeAwareSign", "NoOp", "Ones", "RandomNormal", "RandomUniform", "SteHeaviside", "SteSign", "SteTern",
    "SwishSign", "TruncatedNormal", "VarianceScaling", "WeightClip", "Zeros", "weight_clip"))
KNOWN_MODULES = ("keras", "larq", "tf_keras")
MAX_FILE_BYTES = 2**30
TFLITE = ".tflite"


class Network(NamedTuple):
    """What evaluation needs of a model: a function from images [B, *input_shape] to logits [B, num_classes]."""

    logits: Callable
    input_shape: tuple[int, ...]
    num_classes: int


def accuracy(network: Network | tf.keras.Model, images: ImageData, batch_size: int, max_steps: int, title: str,
             confusion: np.ndarray | None = None) -> tuple[float, int]:
    """Share of right classes, and the number of images, with progress on stderr.

    Where `confusion`, int [classes, classes], is given, each image is counted in it, by its class and by what it was
    taken for.
    """
    logits = network.logits if isinstance(network, Network) else as_network(network).logits
    batches = data.batches(images, batch_size)
    steps = min(max_steps, len(batches)) if max_steps else len(batches)
    progress = Progress(title, 1, steps, ("accuracy",))
    correct = total = 0
    with reading(images):
        for step, (x, y) in enumerate(batches.take(steps)):
            classes = np.argmax(logits(x), -1)
            correct += int(np.sum(classes == y.numpy()))
            if confusion is not None:
                np.add.at(confusion, (y.numpy(), classes), 1)
            total += len(y)
            progress.on_train_batch_end(step, {"accuracy": correct / total})
    progress.on_epoch_end(0, {"accuracy": correct / total})
    return correct / total, total


def as_network(model: tf.keras.Model) -> Network:
    """A Keras model for evaluation."""
    logits = tf.function(lambda images: model(images, training=False), autograph=False)
    return Network(logits, model.input_shape[1:], model.output_shape[-1])


def load_model(path: str, flag: str = "model") -> tf.keras.Model:
    """Reads a Keras `.h5` file, building nothing but known layers.

    Raises: InputError naming the flag, the file and what is wrong.
    """
    with blame(flag, path):
        if os.path.getsize(path) > MAX_FILE_BYTES:
            raise ValueError(f"larger than {MAX_FILE_BYTES} bytes")
        if not h5py.is_hdf5(path):
            raise ValueError("not an HDF5 file")
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise ValueError("no Keras model, weights alone or another kind of HDF5 file")
            try:
                config = json.loads(file.attrs["model_config"])
            except RecursionError:
                raise ValueError("nested too deeply") from None
        if unknown := sorted(set(_unknown_classes(config))):
            raise ValueError(f"needs {', '.join(unknown)[:200]}, which is not built from a file")
    try:
        with lq.context.quantized_scope(False):
            return tf.keras.models.load_model(path, compile=False)
    except Exception as error:  # whatever Keras and HDF5 raise on a damaged file
        if sys.flags.dev_mode:
            raise
        raise InputError.of(flag, path, f"damaged ({str(error).splitlines()[0][:200]})") from None


def _unknown_classes(config: object) -> Iterator[str]:
    """The names of classes and modules anywhere in a model's configuration that are not known ones."""
    pending = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            pending += value.values()
            if "class_name" in value and str(value["class_name"]) not in KNOWN_LAYERS | CONTAINERS | KNOWN_OBJECTS:
                yield f"class {value['class_name']}"
            if str(value.get("module") or "keras").partition(".")[0] not in KNOWN_MODULES:
                yield f"module {value['module']}"
