"""Keras callbacks: a log of every epoch, the best model, and an error at values that are not finite."""

import contextlib
import csv
import math
import os
from collections.abc import Callable

from bars_tf.files import written_beside
from bars_tf.legacy_keras import tf
from bars_tf.network.model_files import save_model


class CSVLogger(tf.keras.callbacks.Callback):
    """Writes a CSV file with one row per epoch.

    Unlike Keras's, it replaces the rows of epochs that are repeated, and accepts metrics that only some epochs have.
    A file that is damaged is begun anew: no run ends for it.
    """

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{k: f"{v:.6g}" for k, v in (logs or {}).items()}}
        rows = []
        if os.path.exists(self.path):
            with contextlib.suppress(csv.Error, KeyError, TypeError, ValueError), open(self.path, newline="") as file:
                rows = [r for r in csv.DictReader(file) if int(r["epoch"]) <= epoch]
        with written_beside(self.path) as beside, open(beside, "w", newline="") as file:
            writer = csv.DictWriter(file, list(row), extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows([*rows, row])


class TensorBoard(tf.keras.callbacks.TensorBoard):
    """Keras's TensorBoard callback, at the end of epochs only.

    Keras's requests a summary of every step, which is never written and leaks some kilobytes.
    """

    def on_train_batch_end(self, batch, logs=None):
        pass


class BestModel(tf.keras.callbacks.Callback):
    """Saves the model of the epoch with the highest validation accuracy.

    Keras's `ModelCheckpoint` forgets the highest accuracy when a run resumes.

    Args:
        path: an `.h5` file.
        network: the model that is saved.
        convert: function applied to the model before it is saved; None for none.
        writes: whether this process writes files.

    Attributes:
        best: variable with the highest validation accuracy so far, to be saved in checkpoints.
    """

    def __init__(self, path: str, network: tf.keras.Model, convert: Callable | None = None, writes: bool = True):
        super().__init__()
        self.network, self.path, self.convert = network, path if writes else None, convert or (lambda model: model)
        self.best = tf.Variable(-1.0, dtype=tf.float64, trainable=False, name="best")

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] > self.best.numpy():
            self.best.assign(logs["val_accuracy"])
            save_model(self.convert(self.network), self.path)


class RaiseOnNaN(tf.keras.callbacks.Callback):
    """Raises a FloatingPointError that names the step when a loss is not finite. Saved files remain.

    Args:
        stage: name of the training, for the message.
        remedies: flags that may help, for the message.
        first: (epoch, step) at which the run begins.
    """

    def __init__(self, stage: str, remedies: str, first: tuple[int, int]):
        super().__init__()
        self.stage, self.remedies, self.first, self.epoch = stage, remedies, first, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1 + (self.first[1] if self.epoch == self.first[0] else 0)
        for name in ("loss", "arch_loss"):
            if not math.isfinite((logs or {}).get(name, 0.0)):
                raise FloatingPointError(f"{self.stage}: {name} is not finite at epoch {self.epoch + 1}, step {step}; "
                                         f"earlier checkpoints remain. A lower {self.remedies} may help")
