"""Callbacks of a search: its phases, and a warning where the alphas collapse."""

from __future__ import annotations

from collections.abc import Callable

from bars_tf import console
from bars_tf.legacy_keras import tf
from bars_tf.training.callbacks import BestModel, CSVLogger, RaiseOnNaN, TensorBoard

# All of these are `bars_tf.callbacks`.
__all__ = ["BestModel", "CSVLogger", "Phases", "RaiseOnNaN", "TensorBoard", "WarnOfCollapse"]


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
            console.say(f"search: warning: the alphas collapse: at epoch {epoch + 1} skip has {skip:.0%} and none "
                       f"{none:.0%} of the mean edge; a lower --arch_lr, more --warmup_epochs or a larger budget may "
                       "help")
