"""Keras models as `.h5` files: written whole, read without running code."""

import io
import json
import os
import sys
from collections.abc import Iterator

import h5py

from bars_tf.errors import InputError, blame
from bars_tf.files import write_bytes
from bars_tf.legacy_keras import lq, tf

# A model file is data: layers that could run code when they are loaded (Lambda, names of functions) are not built.
KNOWN_LAYERS = frozenset((
    "Activation", "Add", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D", "Cropping2D", "Dense",
    "Dropout", "Flatten", "GlobalAveragePooling2D", "InputLayer", "MaxPooling2D", "QuantConv2D", "ReLU", "Rescaling",
    "Reshape", "ZeroPadding2D"))
CONTAINERS = frozenset(("Functional", "Model", "Sequential"))
# Other objects that a configuration may name: initializers, quantizers, constraints, regularizers.
KNOWN_OBJECTS = frozenset((
    "ApproxSign", "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "L1", "L1L2", "L2",
    "MagnitudeAwareSign", "NoOp", "Ones", "RandomNormal", "RandomUniform", "SteHeaviside", "SteSign", "SteTern",
    "SwishSign", "TruncatedNormal", "VarianceScaling", "WeightClip", "Zeros", "weight_clip"))
KNOWN_MODULES = ("keras", "larq", "tf_keras")
MAX_FILE_BYTES = 2**30


def save_model(model: tf.keras.Model, path: str | os.PathLike | None) -> None:
    """Writes layers and weights of a Keras model as `.h5`; a worker that only takes part in reading shared variables
    has no path."""
    memory = io.BytesIO()  # because HDF5 may crash on a full disk
    with h5py.File(memory, "w") as file:
        model.save(file, include_optimizer=False, save_format="h5")
    if path is not None:
        write_bytes(path, memory.getvalue())


def load_model(path: str, flag: str = "model") -> tf.keras.Model:
    """Reads a Keras `.h5` file, building known layers alone; raises InputError naming the flag for other files."""
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
            return tf.keras.models.load_model(path, {"InputLayer": _InputLayer}, compile=False)
    except Exception as error:  # whatever Keras and HDF5 raise on a damaged file
        if sys.flags.dev_mode:
            raise
        raise InputError.of(flag, path, f"damaged ({str(error).splitlines()[0][:200]})") from None


class _InputLayer(tf.keras.layers.InputLayer):
    """Reads files of tf_keras 2.20 and newer with older ones too, which do not know `optional`."""

    @classmethod
    def from_config(cls, config):
        return tf.keras.layers.InputLayer.from_config({k: v for k, v in config.items() if k != "optional"})


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
