"""Callbacks of a search: its phases, its trajectory, and a warning where the alphas collapse."""

import json
from collections.abc import Callable
from pathlib import Path

from bars_tf import console
from bars_tf.cost.measures import LIMITED, Cost
from bars_tf.cost.part_costs import cost_of
from bars_tf.errors import one_line
from bars_tf.files import write_bytes
from bars_tf.legacy_keras import tf
from bars_tf.search.derivation.optimum import most_probable
from bars_tf.training.callbacks import BestModel, CSVLogger, RaiseOnNaN, TensorBoard

# All of these are `bars_tf.callbacks`.
__all__ = ["BestModel", "CSVLogger", "Phases", "RaiseOnNaN", "TensorBoard", "Trajectory", "WarnOfCollapse"]


class Phases(tf.keras.callbacks.Callback):
    """Phases of a search: weights alone first, then both; temperature and entropy weight from exploring to deciding.

    The alphas rest in the first `warmup_epochs` of all `epochs`. `temperature` and `entropy_weight` are functions of
    the progress after them, from 0 to 1.
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
        if not self.model.arch_active.numpy():
            for name in ("arch_loss", "arch_accuracy"):  # NaN while the alphas rest, which is no fault
                (logs or {}).pop(name, None)


class WarnOfCollapse(tf.keras.callbacks.Callback):
    """Says so, once, when the alphas have given up on nearly all convolutions."""

    LIMIT = 0.9
    said = False

    def on_epoch_end(self, epoch, logs=None):
        skip, none = logs["skip_share"], logs["none_share"]
        if skip + none > self.LIMIT and not self.said:
            self.said = True
            console.say(f"search: warning: the alphas collapse: at epoch {epoch + 1} skip has {skip:.0%} and none "
                       f"{none:.0%} of the mean edge; a lower --arch_lr, more --warmup_epochs or a larger budget may "
                       "help")


class Trajectory(tf.keras.callbacks.Callback):
    """Adds to the logs of an epoch, so before what writes them: `NAME_share` of each primitive, `expected_NAME` and
    `derived_NAME` (the most probable network within the budget) for OPs and each limited measure, the temperature.

    Keeps the probabilities of all choices in the file `path`, a JSON line an epoch, where those of epochs that are run
    again are replaced, and draws the cells for TensorBoard into the directory `tensorboard`.
    """

    def __init__(self, path: Path, tensorboard: Path):
        super().__init__()
        self.path = path
        self.writer = tf.summary.create_file_writer(str(tensorboard))

    def on_epoch_end(self, epoch, logs=None):
        from bars_tf.report import drawing, html  # here, because a search without drawings need not import Matplotlib

        supernet = self.model
        derived = most_probable(supernet.alphas(), supernet.tables, supernet.budget)
        probabilities = {level: p.numpy() for level, p in supernet.probabilities()._asdict().items()}
        expected, cost = Cost(*map(float, supernet.expected_cost())), cost_of(derived, supernet.tables)
        temperature = float(supernet.temperature.numpy())
        for name, share in zip(supernet.space.primitives, probabilities["edges"].mean((0, 1)).tolist()):
            logs[f"{name}_share"] = share
        for name in LIMITED:
            if name == "ops" or name in supernet.budget.limits():
                logs[f"expected_{name}"], logs[f"derived_{name}"] = getattr(expected, name), getattr(cost, name)
        logs["temperature"] = temperature

        # Rounded, with digits enough for a figure.
        rounded = {level: p.round(4).astype(float).round(4).tolist() for level, p in probabilities.items()}
        line = {"epoch": epoch + 1, "temperature": temperature, **rounded, "expected_cost": expected.to_dict(),
                "derived_cost": cost.to_dict()}
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        lines = [old for old in lines if old.strip() and json.loads(old)["epoch"] <= epoch]
        write_bytes(self.path, ("\n".join([*lines, json.dumps(line)]) + "\n").encode())

        try:
            png = html.png(drawing.draw(derived), 100)
        except Exception as error:  # noqa: BLE001 - Matplotlib's settings and fonts; no search ends by a drawing
            console.say(f"search: note: no drawing of epoch {epoch + 1} ({one_line(error)})")
            return
        with self.writer.as_default(step=epoch):
            tf.summary.image("derived network", [tf.io.decode_png(png, channels=3)])
        self.writer.flush()
