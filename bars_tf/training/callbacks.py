"""Callbacks of `fit`: the log of every epoch, the best model, and a stop at values that are not finite."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable

from bars_tf.files import written_beside
from bars_tf.legacy_keras import tf
from bars_tf.network.model_files import save_model


class Log(tf.keras.callbacks.Callback):
    """A CSV file with a row an epoch; rows of epochs that are run again are replaced. What an epoch has no value of is
    empty."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{k: f"{v:.6g}" for k, v in (logs or {}).items()}}
        rows = []
        if os.path.exists(self.path):
            with open(self.path, newline="") as file:
                rows = [r for r in csv.DictReader(file) if int(r["epoch"]) <= epoch]
        with written_beside(self.path) as beside, open(beside, "w", newline="") as file:
            writer = csv.DictWriter(file, list(row), extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows([*rows, row])


class TensorBoard(tf.keras.callbacks.TensorBoard):
    """Keras's, but at the end of epochs alone: beside others that look at every step it calls for a summary of each
    one, which nobody writes and which takes some kilobytes that never come back."""

    def on_train_batch_end(self, batch, logs=None):
        pass


class BestModel(tf.keras.callbacks.Callback):
    """Keeps the model of the epoch with the highest validation accuracy.

    Args:
        path: an `.h5` file.
        network: the model that is saved.
        convert: what is done to the model before it is saved.
        writes: whether this process is the one that writes it.

    Attributes:
        best: the highest validation accuracy so far, a variable, to be saved with the model.
    """

    def __init__(self, path: str, network: tf.keras.Model, convert: Callable | None = None, writes: bool = True):
        super().__init__()
        self.network, self.path, self.convert = network, path if writes else None, convert or (lambda model: model)
        self.best = tf.Variable(-1.0, dtype=tf.float64, trainable=False, name="best")

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] > self.best.numpy():
            self.best.assign(logs["val_accuracy"])
            save_model(self.convert(self.network), self.path)


class StopOnNaN(tf.keras.callbacks.Callback):
    """Stops with an error that names the step when the loss is no longer finite; what was saved stays.

    Args:
        where: the part of the run, for the message.
        remedies: flags that may help, for the message.
        first: (epoch, step) that the run begins at.
    """

    def __init__(self, where: str, remedies: str, first: tuple[int, int]):
        super().__init__()
        self.where, self.remedies, self.first, self.epoch = where, remedies, first, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1 + (self.first[1] if self.epoch == self.first[0] else 0)
        for name in ("loss", "arch_loss"):
            if not math.isfinite((logs or {}).get(name, 0.0)):
                raise FloatingPointError(f"{self.where}: {name} is not finite at epoch {self.epoch + 1}, step {step}; "
                                         f"what was saved before stays. A lower {self.remedies} may help")
