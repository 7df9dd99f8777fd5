"""What hangs on `fit`: the phases of a search, the log, the best model, health."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable

from bars_tf import console as screen
from bars_tf.files import save_model, written_beside
from bars_tf.legacy_keras import tf


class Phases(tf.keras.callbacks.Callback):
    """Phases of a search: weights alone first, then both; temperature and entropy weight from exploring to deciding.

    Args:
        epochs: epochs of the whole search.
        warmup_epochs: epochs in which the alphas rest.
        temperature, entropy_weight: functions of progress after the warm-up, 0 to 1.
    """

    def __init__(self, epochs: int, warmup_epochs: int, temperature: Callable[[float], float],
                 entropy_weight: Callable[[float], float]):
        super().__init__()
        self.epochs, self.warmup_epochs = epochs, warmup_epochs
        self.temperature, self.entropy_weight = temperature, entropy_weight

    def on_epoch_begin(self, epoch, logs=None):
        progress = max(0, epoch - self.warmup_epochs) / max(1, self.epochs - self.warmup_epochs - 1)
        self.model.activate_arch(epoch >= self.warmup_epochs)
        self.model.temperature.assign(self.temperature(progress))
        self.model.entropy_weight.assign(self.entropy_weight(progress))

    def on_train_batch_end(self, batch, logs=None):
        _without_arch(self.model, logs)

    def on_epoch_end(self, epoch, logs=None):
        _without_arch(self.model, logs)


def _without_arch(supernet, logs):
    """Takes out what there is no value of while the alphas rest."""
    if not supernet.arch_active.numpy():
        for name in ("arch_loss", "arch_accuracy"):
            (logs or {}).pop(name, None)


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


class WarnOfCollapse(tf.keras.callbacks.Callback):
    """Says so, once, when the alphas have given up on nearly all convolutions."""

    LIMIT = 0.9

    def __init__(self):
        super().__init__()
        self.said = False

    def on_epoch_end(self, epoch, logs=None):
        skip, none = logs["skip_share"], logs["none_share"]
        if skip + none > self.LIMIT and not self.said:
            self.said = True
            screen.say(f"search: warning: the alphas collapse: at epoch {epoch + 1} skip has {skip:.0%} and none "
                       f"{none:.0%} of the mean edge; a lower --arch_lr, more --warmup_epochs or a larger budget may "
                       "help")
