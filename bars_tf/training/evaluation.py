"""Accuracy of a trained network."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bars_tf.data import pipeline
from bars_tf.data.image_data import ImageData
from bars_tf.data.splits import reading
from bars_tf.legacy_keras import tf
from bars_tf.training.progress import Progress

TFLITE = ".tflite"


class Classifier(NamedTuple):
    """A function from images [B, *input_shape] to logits [B, num_classes]: of a Keras model or of a `.tflite` file."""

    logits: Callable
    input_shape: tuple[int, ...]
    num_classes: int


def accuracy(network: Classifier | tf.keras.Model, images: ImageData, batch_size: int, max_steps: int, title: str,
             confusion: np.ndarray | None = None) -> tuple[float, int]:
    """Evaluates a network on all images, or `max_steps` batches if that is not 0, with progress on stderr.

    The images are added to `confusion`, int [classes, classes], by (class, predicted class).

    Returns: the fraction of correct predictions, and the number of images.
    """
    logits = (network if isinstance(network, Classifier) else as_classifier(network)).logits
    batches = pipeline.batches(images, batch_size)
    steps = min(max_steps, len(batches)) if max_steps else len(batches)
    progress = Progress(title, 1, steps, ("accuracy",))
    correct = total = 0
    with reading(images):
        for step, (x, y, *_) in enumerate(batches.take(steps)):
            classes = np.argmax(logits(x), -1)
            correct += int(np.sum(classes == y.numpy()))
            if confusion is not None:
                np.add.at(confusion, (y.numpy(), classes), 1)
            total += len(y)
            progress.on_train_batch_end(step, {"accuracy": correct / total})
    progress.on_epoch_end(0, {"accuracy": correct / total})
    return correct / total, total


def by_class(confusion: np.ndarray) -> dict[str, Any]:
    """Entries of results, of counts by (class, predicted class): `recall`, the fraction of each class that is predicted
    correctly (None for a class without images), and `balanced_accuracy`, its mean."""
    recall = [float(row[i] / row.sum()) if row.sum() else None for i, row in enumerate(confusion)]
    return {"recall": recall, "balanced_accuracy": float(np.mean([value for value in recall if value is not None]))}


def as_classifier(model: tf.keras.Model) -> Classifier:
    """Wraps a Keras model for evaluation."""
    logits = tf.function(lambda images: model(images, training=False), autograph=False)
    return Classifier(logits, model.input_shape[1:], model.output_shape[-1])
