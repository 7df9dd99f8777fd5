"""One line on stderr while something runs: what, how far, how good, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

from bars_tf import console as screen
from bars_tf.console import duration
from bars_tf.legacy_keras import tf


class Progress(tf.keras.callbacks.Callback):
    """Shows epoch, step, values and the time left. On a terminal the line is rewritten in place.

    Args:
        title: what runs.
        epochs, steps: how many there are, and how many steps an epoch has.
        shown: names of the values that are shown.
        first: (epoch, step) that the run begins at.
        estimate: called once with the seconds of a step, says what the whole run will take.
    """

    def __init__(self, title: str, epochs: int, steps: int, shown: tuple[str, ...], first: tuple[int, int] = (0, 0),
                 estimate: Callable[[float], str] | None = None):
        super().__init__()
        self.title, self.epochs, self.steps, self.shown = title, epochs, steps, shown
        self.first, self.epoch, self.estimate = first, first[0], estimate
        self.pause = 0.5 if screen.is_terminal() else 10.0
        self.steps_done = self.first[0] * steps + self.first[1]  # of the whole run
        self.started = self.last = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        before = self.first[1] if self.epoch == self.first[0] else 0  # that epoch began in the middle
        self.steps_done = self.epoch * self.steps + before + batch + 1
        if self.started is None:  # the first step traces: it says nothing of the others
            self.started, self.last = (now, self.steps_done), now
            self._show(logs, "estimating the time left")
        elif now - self.last >= self.pause:
            self._show(logs, f"{duration(self._seconds_left(now))} left")
            self.last = now
        if self.estimate and self.steps_done - self.started[1] >= min(5, self.steps - 1):
            start, steps_at_start = self.started
            screen.say(self.estimate((now - start) / max(1, self.steps_done - steps_at_start)))
            self.estimate = None

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.epochs
        if not screen.is_terminal() or last:
            self._show(logs, "done" if last else f"done, {duration(self._seconds_left(time.monotonic()))} left")
            screen.close()

    def _seconds_left(self, now):
        start, steps_at_start = self.started or (now, 0)
        per_step = (now - start) / max(1, self.steps_done - steps_at_start)
        return per_step * (self.epochs * self.steps - self.steps_done)

    def _show(self, logs, note):
        values = "  ".join(f"{name.replace('_', ' ')} {_short(logs[name])}"
                           for name in self.shown if name in (logs or {}))
        # The note comes before the values: a narrow terminal cuts the end.
        screen.rewrite(f"{self.title}  epoch {self.epoch + 1}/{self.epochs}  "
                       f"step {self.steps_done - self.epoch * self.steps}/{self.steps}  {note}  {values}")


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"
