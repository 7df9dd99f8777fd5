"""Accuracy of a trained network."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bars_tf.data import pipeline as data
from bars_tf.data.pipeline import ImageData
from bars_tf.data.splits import reading
from bars_tf.legacy_keras import tf
from bars_tf.training.progress import Progress

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
