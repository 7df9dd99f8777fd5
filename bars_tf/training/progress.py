"""The progress of a training on stderr: epoch, step, time left and metrics."""

import math
from collections.abc import Callable

from bars_tf import console
from bars_tf.config import running_seconds
from bars_tf.console import duration
from bars_tf.legacy_keras import tf


class Progress(tf.keras.callbacks.Callback):
    """Shows epoch, step, time left and metrics.

    On a terminal one line is rewritten in place. Elsewhere, a line appears every 10 seconds and after each epoch.

    There are `steps` in an epoch, and the run begins at `first`, (epoch, step). `shown` are names of metrics. Given
    the seconds that a step takes, `estimate` returns a line about the whole run.
    """

    def __init__(self, title: str, epochs: int, steps: int, shown: tuple[str, ...], first: tuple[int, int] = (0, 0),
                 estimate: Callable[[float], str] | None = None):
        super().__init__()
        self.title, self.epochs, self.steps, self.shown = title, epochs, steps, shown
        self.first, self.epoch, self.estimate = first, first[0], estimate
        self.interval = 0.5 if console.is_terminal() else 10.0  # seconds
        self.steps_done = self.first[0] * steps + self.first[1]  # of the whole run
        self.started = self.last = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        now = running_seconds()
        before = self.first[1] if self.epoch == self.first[0] else 0  # the run began in the middle of that epoch
        self.steps_done = self.epoch * self.steps + before + batch + 1
        if self.started is None:  # the first step is traced, so that its time says nothing about the others
            self.started, self.last = (now, self.steps_done), now
            self._show(logs, "estimating the time left")
        elif now - self.last >= self.interval:
            self._show(logs, f"{duration(self._seconds_left(now))} left")
            self.last = now
        if self.estimate and self.steps_done - self.started[1] >= min(5, self.steps - 1):
            start, steps_at_start = self.started
            console.say(self.estimate((now - start) / max(1, self.steps_done - steps_at_start)))
            self.estimate = None

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.epochs
        if not console.is_terminal() or last:
            self._show(logs, "done" if last else f"done, {duration(self._seconds_left(running_seconds()))} left")
            console.close()

    def _seconds_left(self, now: float) -> float:
        start, steps_at_start = self.started or (now, 0)
        per_step = (now - start) / max(1, self.steps_done - steps_at_start)
        return per_step * (self.epochs * self.steps - self.steps_done)

    def _show(self, logs: dict[str, float] | None, note: str) -> None:
        values = "  ".join(f"{name.replace('_', ' ')} {logs[name]:{'.3f' if abs(logs[name]) < 1000 else '.3g'}}"
                           for name in self.shown if not math.isnan((logs or {}).get(name, math.nan)))
        # The note comes before the values: a narrow terminal cuts the end.
        console.rewrite(f"{self.title}  epoch {self.epoch + 1}/{self.epochs}  "
                        f"step {self.steps_done - self.epoch * self.steps}/{self.steps}  {note}  {values}")
