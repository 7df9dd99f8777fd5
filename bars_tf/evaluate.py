"""`bin/evaluate`: accuracy of a trained network."""

from __future__ import annotations

import json
import os
import sys

import h5py
import numpy as np

from bars_tf import data, training
from bars_tf.config import InputError, SearchConfig, blame
from bars_tf.data import ImageData
from bars_tf.legacy_keras import lq, tf
from bars_tf.progress import Progress

# A model file is data: what could run code when it is loaded (Lambda, names of functions) is not built.
KNOWN_LAYERS = frozenset((
    "Activation", "Add", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D", "Cropping2D", "Dense",
    "Dropout", "Flatten", "GlobalAveragePooling2D", "InputLayer", "MaxPooling2D", "QuantConv2D", "ReLU", "Rescaling",
    "Reshape", "ZeroPadding2D"))
CONTAINERS = frozenset(("Functional", "Model", "Sequential"))
MAX_FILE_BYTES = 2**30


def main(config: SearchConfig) -> int:
    model = load_model(config.model, "model")
    parts = dict(zip(("train", "validation", "test"), training.load_data(config)))
    images = parts[config.split]
    if model.input_shape[1:] != images.image_shape or model.output_shape[-1] != images.num_classes:
        raise InputError.of("model", config.model, f"is for images {model.input_shape[1:]} of {model.output_shape[-1]} "
                            f"classes; --dataset={config.dataset} has {images.image_shape} of {images.num_classes}")
    value, count = accuracy(model, images, config.eval_batch_size, config.max_steps, config.split)
    if config.json:
        print(json.dumps({"model": config.model, "dataset": config.dataset, "split": config.split, "accuracy": value,
                          "images": count}))
    else:
        print(f"{config.split} accuracy {value:.2%} on {count:,} images of {config.dataset}")
    return 0


def accuracy(model: tf.keras.Model, images: ImageData, batch_size: int, max_steps: int,
             title: str) -> tuple[float, int]:
    """Share of right classes, and the number of images, with progress on stderr."""
    predict = tf.function(lambda x: tf.argmax(model(x, training=False), -1, output_type=tf.int32), autograph=False)
    batches = data.batches(images, batch_size)
    steps = min(max_steps, len(batches)) if max_steps else len(batches)
    progress = Progress(title, 1, steps, ("accuracy",))
    correct = total = 0
    with blame("dataset", images.name), images.records.explained():
        for step, (x, y) in enumerate(batches.take(steps)):
            correct += int(np.sum(predict(x).numpy() == y.numpy()))
            total += len(y)
            progress.on_train_batch_end(step, {"accuracy": correct / total})
    progress.on_epoch_end(0, {"accuracy": correct / total})
    return correct / total, total


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
            config = json.loads(file.attrs["model_config"])
        unknown = sorted(set(_layer_classes(config)) - KNOWN_LAYERS - CONTAINERS)
        if unknown:
            raise ValueError(f"has layers of class {', '.join(unknown)}, which are not loaded from a file")
    try:
        with lq.context.quantized_scope(False):
            return tf.keras.models.load_model(path, compile=False)
    except Exception as error:  # whatever Keras and HDF5 raise on a damaged file
        if sys.flags.dev_mode:
            raise
        raise InputError.of(flag, path, f"damaged ({str(error).splitlines()[0][:200]})") from None


def _layer_classes(config: object):
    """The class names of all layers in a model's configuration, nested models included."""
    if isinstance(config, dict):
        if isinstance(config.get("config"), dict) and "class_name" in config and (
                "layers" in config["config"] or "inbound_nodes" in config or config.get("name") is not None):
            yield config["class_name"]
        for layer in (config.get("config") or {}).get("layers", []) if isinstance(config.get("config"), dict) else []:
            yield from _layer_classes({"inbound_nodes": [], **layer})
