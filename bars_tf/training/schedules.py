"""Schedules of learning rates, temperatures and weights of loss terms."""

import math
from collections.abc import Callable

from bars_tf.legacy_keras import tf


def geometric(start: float, end: float) -> Callable[[float], float]:
    """A schedule start * (end / start)^progress of the progress from 0 to 1, for temperatures."""
    return lambda progress: start * (end / start) ** progress


def linear(start: float, end: float) -> Callable[[float], float]:
    """A schedule start + (end - start) * progress of the progress from 0 to 1."""
    return lambda progress: start + (end - start) * progress


@tf.keras.saving.register_keras_serializable("bars_tf")
class WarmupCosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly and then follows a cosine to 0 (Loshchilov and Hutter, arXiv 1608.03983).

    With w = `warmup_steps` of n = `total_steps`, it is peak * (step + 1) / w for step < w, and afterwards
    peak * (1 + cos(pi * (step - w) / (n - w))) / 2, where `learning_rate` is the peak.
    """

    def __init__(self, learning_rate: float, total_steps: int, warmup_steps: int = 0):
        super().__init__()
        self.learning_rate, self.total_steps, self.warmup_steps = learning_rate, total_steps, warmup_steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rising = (step + 1) / max(1, self.warmup_steps)
        progress = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        falling = 0.5 * (1 + tf.cos(math.pi * tf.clip_by_value(progress, 0.0, 1.0)))
        return self.learning_rate * tf.where(step < self.warmup_steps, rising, falling)

    def get_config(self):
        return {name: getattr(self, name) for name in ("learning_rate", "total_steps", "warmup_steps")}
