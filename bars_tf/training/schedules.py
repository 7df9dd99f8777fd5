"""Schedules of rates and temperatures: functions of progress, made when the length of a run is known."""

from __future__ import annotations

import math
from collections.abc import Callable

from bars_tf.legacy_keras import tf


def geometric(start: float, end: float) -> Callable[[float], float]:
    """From `start` to `end` by equal factors, over progress from 0 to 1: for temperatures."""
    return lambda progress: start * (end / start) ** progress


def linear(start: float, end: float) -> Callable[[float], float]:
    """From `start` to `end` by equal steps, over progress from 0 to 1."""
    return lambda progress: start + (end - start) * progress


class WarmupCosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise to `rate` over `warmup_steps`, then a cosine to 0 at `total_steps`."""

    def __init__(self, rate: float, total_steps: int, warmup_steps: int = 0):
        super().__init__()
        self.rate, self.total_steps, self.warmup_steps = rate, total_steps, warmup_steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rising = (step + 1) / max(1, self.warmup_steps)
        progress = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        falling = 0.5 * (1 + tf.cos(math.pi * tf.clip_by_value(progress, 0.0, 1.0)))
        return self.rate * tf.where(step < self.warmup_steps, rising, falling)

    def get_config(self):
        return {"rate": self.rate, "total_steps": self.total_steps, "warmup_steps": self.warmup_steps}
