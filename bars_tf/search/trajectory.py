"""What a search does, epoch by epoch: probabilities of every choice, and the network that they would give."""

from __future__ import annotations

import io
import json
import os
from typing import Any

from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import LIMITED, Cost
from bars_tf.cost.tables import cost_of
from bars_tf.files import write_bytes
from bars_tf.legacy_keras import tf
from bars_tf.search.derivation.optimum import most_probable


class Trajectory(tf.keras.callbacks.Callback):
    """Adds to the logs of an epoch, so before what writes them: `NAME_share` of each primitive, `expected_NAME` and
    `derived_NAME` for OPs and each limited measure, the temperature. Keeps the probabilities of all choices, a JSON
    line an epoch, and draws the cells for TensorBoard.

    "Derived" is the most probable network within the budget, as it would come out now.

    Args:
        path: the file of JSON lines; lines of epochs that are run again are replaced.
        tensorboard: directory for the drawings.
    """

    def __init__(self, path: str, tensorboard: str):
        super().__init__()
        self.path = path
        self.writer = tf.summary.create_file_writer(tensorboard)

    def on_epoch_end(self, epoch, logs=None):
        supernet = self.model
        derived = most_probable(supernet.alphas(), supernet.tables, supernet.budget)
        widths, depths, edges = (p.numpy() for p in supernet.probabilities())
        expected = Cost(*map(float, supernet.expected_cost()))
        cost = cost_of(derived, supernet.tables)
        shares = dict(zip(supernet.space.primitives, edges.mean((0, 1)).tolist()))
        if logs is not None:
            logs.update({f"{name}_share": share for name, share in shares.items()})
            for name in measures(supernet.budget):
                logs[f"expected_{name}"], logs[f"derived_{name}"] = getattr(expected, name), getattr(cost, name)
            logs["temperature"] = float(supernet.temperature.numpy())
        self._append(epoch, {
            "epoch": epoch + 1, "temperature": float(supernet.temperature.numpy()), "widths": rounded(widths),
            "depths": rounded(depths), "edges": rounded(edges), "expected_cost": expected.to_dict(),
            "derived_cost": cost.to_dict()})
        with self.writer.as_default(step=epoch):
            tf.summary.image("derived network", [tf.io.decode_png(_png(derived), channels=3)])
        self.writer.flush()

    def _append(self, epoch: int, line: dict[str, Any]) -> None:
        lines = []
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                lines = [old for old in map(str.strip, file) if old and json.loads(old)["epoch"] <= epoch]
        write_bytes(self.path, ("\n".join([*lines, json.dumps(line)]) + "\n").encode())


def measures(budget: Budget) -> list[str]:
    """OPs, and what the budget limits."""
    return [name for name in LIMITED if name == "ops" or name in budget.limits()]


def rounded(probabilities: Any) -> Any:
    """Nested lists, with digits enough for a figure."""
    return probabilities.round(4).astype(float).round(4).tolist()


def _png(genotype: Any) -> bytes:
    from bars_tf.report import drawing  # here, because a search without drawings need not import Matplotlib

    file = io.BytesIO()
    drawing.draw(genotype).savefig(file, format="png", dpi=100)
    return file.getvalue()
