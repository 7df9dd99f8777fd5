"""A `fit` that a killed run goes on with, exactly where it was.

All that a step depends on is saved: weights, alphas, optimizers, and the position. Order and augmentation of images,
and the draws of a search, are functions of the seed and the position (`data`, `Supernet.draw`), so nothing else is
needed for the steps that follow to be those of a run that was never stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf import console
from bars_tf.errors import InputError, one_line
from bars_tf.files import without_patterns
from bars_tf.legacy_keras import tf


class Position(NamedTuple):
    """What comes next: the step `step` of the epoch `epoch`, both from 0."""

    epoch: int
    step: int


class Stop:
    """Within this block SIGINT and SIGTERM are noted, for a safe point to heed; a second one interrupts at once."""

    def __init__(self):
        self.requested = False

    def __enter__(self) -> Stop:
        self._before = {}
        if threading.current_thread() is threading.main_thread():  # others may not set handlers
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.requested and kind is None:  # after the last point that would have heeded it
            raise KeyboardInterrupt("saved")

    def _note(self, number, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class _Place(tf.train.experimental.PythonState):
    """The part of the state that is no variable: the position, the time that it took to come there, and the values of
    the epoch so far."""

    def __init__(self):
        self.values = {"epoch": 0, "step": 0, "seconds": 0.0, "logs": {}}

    def serialize(self):
        return json.dumps(self.values)

    def deserialize(self, string_value):
        self.values = json.loads(string_value)


class Checkpoints(tf.keras.callbacks.Callback):
    """Saves all state after every epoch, within a long one every `save_minutes`, and where the run is asked to stop.

    Args:
        directory: where checkpoints are written; the newest two stay.
        steps: of an epoch.
        save_minutes: between two checkpoints at most, but for the step that runs.
        writes: whether this process is the one that writes; others only take part in reading what is shared.
        **objects: what is saved, `tf.train.Checkpoint`'s keywords. All their variables exist already.
    """

    def __init__(self, directory: str, steps: int, save_minutes: float, writes: bool = True, **objects: Any):
        super().__init__()
        self.directory, self.steps, self.save_seconds = directory, steps, 60 * save_minutes
        self.stop, self.current, self.writes = Stop(), 0, writes
        # Several processes save together, and only at an epoch's end do all of them know that they are to.
        self.alone = not isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
        self._place = _Place()
        self._checkpoint = tf.train.Checkpoint(place=self._place, **objects)
        # Where there is a list of checkpoints, a save has come to its end.
        self._listed = os.path.exists(os.path.join(directory, "checkpoint"))
        if self._listed and writes:
            _mend_list(Path(directory))
        self._link = tempfile.TemporaryDirectory()
        self._manager = tf.train.CheckpointManager(self._checkpoint, without_patterns(directory, self._link.name),
                                                   max_to_keep=2)
        self._saver = self._manager
        if not writes:  # saving takes all processes, as some variables are sums over them: these save to nowhere
            self._unused = tempfile.TemporaryDirectory()
            self._saver = tf.train.CheckpointManager(self._checkpoint, self._unused.name, max_to_keep=1)
        self._counted = self._saved = time.monotonic()
        self.first = Position(0, 0)

    @property
    def seconds(self) -> float:
        """How long the saved work took, earlier starts included."""
        return self._place.values["seconds"]

    def restore(self) -> Position:
        """Restores the newest readable checkpoint, and says where to go on.

        Raises: InputError where there are checkpoints and none can be read, or they are of another network.
        """
        found = self._manager.checkpoints
        if self.writes:
            self._sweep()
        for path in reversed(found):
            # Read as a whole before anything is changed.
            if problem := _damage(path):
                console.say(f"checkpoint {path} is damaged ({problem}); using the one before")
                continue
            try:
                self._checkpoint.restore(path).assert_consumed()
            except (ValueError, AssertionError):
                raise InputError.of("workdir", self.directory, f"checkpoint {path} is of another network or "
                                    "version; choose another work directory") from None
            self.first = Position(self._place.values["epoch"], self._place.values["step"])
            self._before = self._place.values["logs"]
            return self.first
        if self._listed:
            raise InputError.of("workdir", self.directory, "none of its checkpoints can be read; remove that directory "
                                "to start anew")
        return self.first

    def _sweep(self):
        """Removes what a save that did not come to its end has left."""
        listed = {_number(path) for path in self._manager.checkpoints}
        for path in Path(self.directory).glob("ckpt-*") if listed else ():
            if _number(path) not in listed:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _save(self, epoch, step, logs):
        place = f"after step {step or self.steps} of epoch {epoch + bool(step)}"
        for variable in self.model.variables:
            if variable.dtype.is_floating and not np.isfinite(variable.numpy()).all():
                raise FloatingPointError(f"{variable.name} is not finite {place}; what was saved before stays. A lower "
                                         "learning rate or limit of the gradient's norm may help")
        now = time.monotonic()
        self._place.values = {"epoch": epoch, "step": step, "logs": logs,
                              "seconds": self.seconds + now - self._counted}
        try:
            self._saver.save()
        except (tf.errors.OpError, OSError) as error:
            if self.writes:
                self._sweep()
            raise OSError(0, f"the state can't be saved, what was saved before stays: {one_line(error)}") from None
        self._counted, self._saved = now, time.monotonic()
        if self.stop.requested:
            raise KeyboardInterrupt(f"saved {place}")

    def on_epoch_begin(self, epoch, logs=None):
        self.current = epoch

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1 + (self.first.step if self.current == self.first.epoch else 0)
        due = self.alone and (self.stop.requested or time.monotonic() - self._saved >= self.save_seconds)
        if due and step < self.steps:  # after the last one the epoch's end saves
            self._save(self.current, step, self.of_epoch({k: float(v) for k, v in logs.items()}, step))

    def on_epoch_end(self, epoch, logs=None):
        self._save(epoch + 1, 0, {})

    def of_epoch(self, logs: dict[str, float], step: int) -> dict[str, float]:
        """Means over an epoch's first `step` steps, from those over what this start has done of them."""
        if self.current != self.first.epoch or not self.first.step:
            return logs
        before, share = self._before, self.first.step / step
        return {k: share * before[k] + (1 - share) * v if k in before else v for k, v in logs.items()}


class _WholeEpochs(tf.keras.callbacks.Callback):
    """Makes the values of an epoch that was begun by an earlier start those of all its steps. The first callback."""

    def __init__(self, checkpoints: Checkpoints):
        super().__init__()
        self.checkpoints = checkpoints

    def on_epoch_end(self, epoch, logs=None):
        logs.update(self.checkpoints.of_epoch(logs, self.checkpoints.steps))


def fit(model: tf.keras.Model, batches: Callable[[Position], tf.data.Dataset], epochs: int, checkpoints: Checkpoints,
        callbacks: Sequence[tf.keras.callbacks.Callback], validation_data: tf.data.Dataset | None = None) -> None:
    """`model.fit` from the position of `checkpoints` on, up to `epochs`.

    Args:
        batches: the batches from a position on.
    Raises: MemoryError where a batch is too large; OSError where the state can't be saved.
    """
    first = checkpoints.first
    # Keras begins with whole epochs only: the rest of one is a `fit` of its own.
    parts = [(first, first.epoch + 1, checkpoints.steps - first.step)] if first.step else []
    if (begin := first.epoch + bool(first.step)) < epochs:
        parts.append((Position(begin, 0), epochs, checkpoints.steps))
    try:
        with checkpoints.stop if checkpoints.alone else contextlib.nullcontext():
            for position, end, steps in parts:
                model.fit(batches(position), initial_epoch=position.epoch, epochs=end, steps_per_epoch=steps,
                          validation_data=validation_data, verbose=0,
                          callbacks=[_WholeEpochs(checkpoints), *callbacks, checkpoints])
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(one_line(error)) from None


def _mend_list(directory: Path) -> None:
    """Writes the list of a directory's checkpoints anew where that file itself is damaged."""
    try:
        if tf.train.get_checkpoint_state(str(directory)):
            return
    except ValueError:
        (directory / "checkpoint").unlink()
    indices = sorted(directory.glob("ckpt-*.index"), key=_number)
    if found := [str(path.with_suffix("")) for path in indices]:
        tf.compat.v1.train.update_checkpoint_state(
            str(directory), found[-1], found, all_model_checkpoint_timestamps=[p.stat().st_mtime for p in indices])


def _damage(path: str) -> str | None:
    """What is wrong with a checkpoint, if anything: reading it checks its checksums."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, LookupError, ValueError, RuntimeError) as error:  # by what is damaged
        return one_line(error)
    return None


def _number(path: str | os.PathLike) -> int:
    """The number in the name of a checkpoint or of one of its files."""
    match = re.match(r"ckpt-(\d+)(?![^._])", os.path.basename(path))
    return int(match[1]) if match else -1
