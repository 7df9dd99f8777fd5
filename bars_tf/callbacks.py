"""What hangs on `fit`: the phases of a search, checkpoints, progress with the time left, the log, health."""

from __future__ import annotations

import csv
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Any

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
        self.model.arch_active.assign(epoch >= self.warmup_epochs)
        self.model.temperature.assign(self.temperature(progress))
        self.model.entropy_weight.assign(self.entropy_weight(progress))


class Checkpoints(tf.keras.callbacks.Callback):
    """Saves all state after every epoch and restores the newest.

    Args:
        directory: where checkpoints are written.
        **objects: what is saved, `tf.train.Checkpoint`'s keywords.
    """

    def __init__(self, directory: str, **objects: Any):
        super().__init__()
        self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False, name="finished_epochs")
        self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False, name="seconds")
        self.checkpoint = tf.train.Checkpoint(epoch=self.epoch, seconds=self.seconds, **objects)
        self.last = time.monotonic()
        self.manager = tf.train.CheckpointManager(self.checkpoint, directory, max_to_keep=2)

    def restore(self) -> int:
        """Restores the newest readable checkpoint; returns the number of finished epochs."""
        for path in reversed(self.manager.checkpoints):
            try:
                self.checkpoint.restore(path)
                return int(self.epoch.numpy())
            except (tf.errors.OpError, ValueError) as error:
                print(f"checkpoint {path} is damaged ({str(error).splitlines()[0]}); using the one before",
                      file=sys.stderr)
        return 0

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        self.seconds.assign_add(now - self.last)
        self.last = now
        self.epoch.assign(epoch + 1)
        self.manager.save()


class Log(tf.keras.callbacks.Callback):
    """A CSV file with a row an epoch; rows of epochs that are run again are replaced."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{k: f"{v:.6g}" for k, v in (logs or {}).items()}}
        rows = []
        if os.path.exists(self.path):
            with open(self.path, newline="") as file:
                rows = [r for r in csv.DictReader(file) if int(r["epoch"]) <= epoch]
        with open(f"{self.path}.tmp", "w", newline="") as file:
            writer = csv.DictWriter(file, list(row), extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows([*rows, row])
        os.replace(f"{self.path}.tmp", self.path)


class BestWeights(tf.keras.callbacks.Callback):
    """Keeps the weights of the epoch with the highest validation accuracy, written beside and renamed.

    Args:
        path: an `.h5` file.
        best: the highest validation accuracy of earlier epochs, if there were any.
    """

    def __init__(self, path: str, best: float | None):
        super().__init__()
        self.path, self.best = path, best

    def on_epoch_end(self, epoch, logs=None):
        if self.best is None or logs["val_accuracy"] > self.best:
            self.best = logs["val_accuracy"]
            self.model.save_weights(f"{self.path}.tmp.h5")
            os.replace(f"{self.path}.tmp.h5", self.path)


class StopOnNaN(tf.keras.callbacks.Callback):
    """Stops with an error that names the step when the loss is no longer finite; what was saved stays."""

    def __init__(self, where: str):
        super().__init__()
        self.where, self.epoch = where, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        for name in ("loss", "arch_loss"):
            if not math.isfinite((logs or {}).get(name, 0.0)):
                raise FloatingPointError(
                    f"{self.where}: {name} is not finite at epoch {self.epoch + 1}, step {batch + 1}; what was saved "
                    "before stays. A lower learning rate or --clip_norm may help")


class Progress(tf.keras.callbacks.Callback):
    """One line on stderr: what, how far, how good, and the time left. On a terminal it is rewritten in place.

    `estimate`, called once with the seconds of a step, says what the whole run will take.
    """

    def __init__(self, title: str, epochs: int, steps: int, shown: tuple[str, ...], first_epoch: int = 0,
                 estimate: Callable[[float], str] | None = None):
        super().__init__()
        self.estimate = estimate
        self.title, self.epochs, self.steps, self.shown = title, epochs, steps, shown
        self.first_epoch, self.epoch, self.steps_done = first_epoch, first_epoch, 0
        self.terminal = sys.stderr.isatty()
        self.pause = 0.5 if self.terminal else 10.0
        self.started = self.last = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        self.steps_done = (self.epoch - self.first_epoch) * self.steps + batch + 1
        if self.started is None:  # the first step traces: it says nothing of the others
            self.started, self.last = (now, self.steps_done), now
            self._show(logs, "estimating the time left")
        elif now - self.last >= self.pause:
            self._show(logs, f"{duration(self._seconds_left(now))} left")
            self.last = now
        if self.estimate and self.steps_done - self.started[1] >= min(5, self.steps - 1):
            start, steps_at_start = self.started
            print(("\n" if self.terminal else "") + self.estimate((now - start) / (self.steps_done - steps_at_start)),
                  file=sys.stderr)
            self.estimate = None

    def on_epoch_end(self, epoch, logs=None):
        if not self.terminal or epoch + 1 == self.epochs:
            left = f", {duration(self._seconds_left(time.monotonic()))} left" if epoch + 1 < self.epochs else ""
            self._show(logs, f"done{left}", end="\n")

    def _seconds_left(self, now):
        start, steps_at_start = self.started or (now, 0)
        per_step = (now - start) / max(1, self.steps_done - steps_at_start)
        return per_step * (self.epochs * self.steps - self.first_epoch * self.steps - self.steps_done)

    def _show(self, logs, note, end=None):
        step = self.steps_done - (self.epoch - self.first_epoch) * self.steps
        values = "  ".join(f"{name.replace('_', ' ')} {_short(logs[name])}"
                           for name in self.shown if name in (logs or {}))
        line = f"{self.title}  epoch {self.epoch + 1}/{self.epochs}  step {step}/{self.steps}  {values}  {note}"
        if self.terminal:
            print(f"\r\033[K{line}", end=end or "", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """A duration as people write it: 42 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"
