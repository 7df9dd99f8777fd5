"""Checkpoints from which a killed `fit` resumes at exactly the step where it was.

They hold everything on which a step depends: weights, alphas, optimizers and the position. Order and augmentation of
images and the samples of a search are functions of the seed and the position (`data.pipeline`, `Supernet.draw`).
Our own, because Keras's `BackupAndRestore` resumes at whole epochs only and trusts damaged files.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf import console
from bars_tf.config import REPEATED, running_seconds, stop_signals
from bars_tf.errors import InputError, one_line
from bars_tf.legacy_keras import tf
from bars_tf.training.checkpoint_files import damage_of, number_of, repair_list, without_patterns


class Position(NamedTuple):
    """The next step of a training: epoch and step within it, both from 0."""

    epoch: int
    step: int


class _Progress(tf.train.experimental.PythonState):
    """The state that is not in variables: the position, the seconds so far, and the metrics of the epoch so far."""

    def __init__(self):
        self.values = {"epoch": 0, "step": 0, "seconds": 0.0, "logs": {}}

    def serialize(self):
        return json.dumps(self.values)

    def deserialize(self, string_value):
        self.values = json.loads(string_value)


class Checkpoints(tf.keras.callbacks.Callback):
    """Saves all state after every epoch, every `save_minutes` within an epoch, and on signals that end a run.

    Args:
        directory: directory of the checkpoints; the newest two are kept.
        steps: steps per epoch.
        save_minutes: maximum time between two checkpoints.
        writes: whether this process writes files. The others take part in saving, as some variables are sums over all.
        **objects: the objects to save, as for `tf.train.Checkpoint`. All their variables must exist already.

    After `restore`, `first` is the position at which the run begins.
    """

    def __init__(self, directory: str, steps: int, save_minutes: float, writes: bool = True, **objects: Any):
        super().__init__()
        self.directory, self.steps, self.save_seconds = directory, steps, 60 * save_minutes
        self.requested, self.epoch, self.writes = False, 0, writes
        # Several processes must save together, which they can only agree on at the end of an epoch.
        self.single_process = not isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
        self._progress = _Progress()
        self._checkpoint = tf.train.Checkpoint(progress=self._progress, **objects)
        # The list of checkpoints is written after the first complete one.
        self._listed = os.path.exists(os.path.join(directory, "checkpoint"))
        if self._listed and writes:
            repair_list(Path(directory))
        self._link = tempfile.TemporaryDirectory()
        self._manager = tf.train.CheckpointManager(self._checkpoint, without_patterns(directory, self._link.name),
                                                   max_to_keep=2)
        self._saver = self._manager
        if not writes:
            self._discarded = tempfile.TemporaryDirectory()
            self._saver = tf.train.CheckpointManager(self._checkpoint, self._discarded.name, max_to_keep=1)
        self._counted = self._saved = running_seconds()
        self.first = Position(0, 0)

    @property
    def seconds(self) -> float:
        """Time that the saved training took, in all starts of the run."""
        return self._progress.values["seconds"]

    def restore(self) -> Position:
        """Restores the newest readable checkpoint, and returns its position.

        Raises: InputError if none of the checkpoints can be read, or they are of another network.
        """
        paths = self._manager.checkpoints
        if self.writes:
            self._remove_incomplete()
        for path in reversed(paths):
            # Read completely before any variable changes.
            if problem := damage_of(path):
                console.say(f"checkpoint {path} is damaged ({problem}); using the one before")
                continue
            try:
                self._checkpoint.restore(path).assert_consumed()
            except (ValueError, AssertionError):
                raise InputError.of("workdir", self.directory, f"checkpoint {path} is of another network or "
                                    "version; choose another work directory") from None
            self.first = Position(self._progress.values["epoch"], self._progress.values["step"])
            self._logs_before = self._progress.values["logs"]
            return self.first
        if self._listed:
            raise InputError.of("workdir", self.directory, "none of its checkpoints can be read; remove that directory "
                                "to start anew")
        return self.first

    @contextlib.contextmanager
    def saving_at_signals(self) -> Iterator[None]:
        """A context in which `STOP_SIGNALS` end the training after its next step, once that is saved; a second one, but
        for `REPEATED`, raises KeyboardInterrupt at once. Several processes, and threads beside the main one, take no
        part."""
        def handle(number, frame):
            if self.requested and number not in REPEATED:
                raise KeyboardInterrupt
            self.requested = True

        with stop_signals(handle) if self.single_process else contextlib.nullcontext():
            yield
        if self.requested:  # the signal came after the last checkpoint
            raise KeyboardInterrupt("saved")

    def _remove_incomplete(self):
        """Removes the files of an interrupted save, and of an interrupted list of checkpoints (`checkpoint.tmp...`)."""
        listed = {number_of(path) for path in self._manager.checkpoints}
        for path in Path(self.directory).glob("ckpt-*") if listed else ():
            if number_of(path) not in listed:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in Path(self.directory).glob("checkpoint.tmp*"):
            path.unlink()

    def _save(self, epoch, step, logs):
        position = f"after step {step or self.steps} of epoch {epoch + bool(step)}"
        for variable in self.model.variables:
            if variable.dtype.is_floating and not np.isfinite(variable.numpy()).all():
                raise FloatingPointError(f"{variable.name} is not finite {position}; earlier checkpoints remain. A "
                                         "lower learning rate or limit of the gradient norm may help")
        now = running_seconds()
        self._progress.values = {"epoch": epoch, "step": step, "logs": logs,
                                 "seconds": self.seconds + now - self._counted}
        try:
            self._saver.save()
        except (tf.errors.OpError, OSError) as error:
            if self.writes:
                self._remove_incomplete()
            raise OSError(0, f"the checkpoint can't be saved, earlier ones remain: {one_line(error)}") from None
        self._counted, self._saved = now, running_seconds()
        if self.requested:
            raise KeyboardInterrupt(f"saved {position}")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1 + (self.first.step if self.epoch == self.first.epoch else 0)
        due = self.requested or running_seconds() - self._saved >= self.save_seconds
        if self.single_process and due and step < self.steps:  # after the last step, the end of the epoch saves
            self._save(self.epoch, step, self.epoch_means({k: float(v) for k, v in logs.items()}, step))

    def on_epoch_end(self, epoch, logs=None):
        self._save(epoch + 1, 0, {})

    def epoch_means(self, logs: dict[str, float], step: int) -> dict[str, float]:
        """Means over the first `step` steps of an epoch, from the means over those that ran since the resumption."""
        if self.epoch != self.first.epoch or not self.first.step:
            return logs
        before, weight = self._logs_before, self.first.step / step
        return {k: weight * before[k] + (1 - weight) * v if k in before else v for k, v in logs.items()}


def fit(model: tf.keras.Model, batches: Callable[[Position], tf.data.Dataset], epochs: int, checkpoints: Checkpoints,
        callbacks: Sequence[tf.keras.callbacks.Callback], validation_data: tf.data.Dataset | None = None) -> None:
    """Runs `model.fit` from the restored position up to `epochs`.

    `batches` returns the training batches from a position on. The callbacks run before a checkpoint is saved.

    Raises:
        MemoryError: a batch is too large.
        OSError: the checkpoint can't be saved.
        KeyboardInterrupt: the process received a signal that ends a run.
    """
    first = checkpoints.first
    # Keras starts at whole epochs only, so the remainder of an epoch is a `fit` of its own.
    calls = [(first, first.epoch + 1, checkpoints.steps - first.step)] if first.step else []
    if (begin := first.epoch + bool(first.step)) < epochs:
        calls.append((Position(begin, 0), epochs, checkpoints.steps))
    # The first callback: the metrics of a resumed epoch become the means over all its steps.
    means = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(checkpoints.epoch_means(logs, checkpoints.steps)))
    try:
        with checkpoints.saving_at_signals():
            for position, end, steps in calls:
                model.fit(batches(position), initial_epoch=position.epoch, epochs=end, steps_per_epoch=steps,
                          validation_data=validation_data, verbose=0,
                          callbacks=[means, *callbacks, checkpoints])
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(one_line(error)) from None
