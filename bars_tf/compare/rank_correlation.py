"""Rank correlation of supernet scores, and of costs, with the test accuracies of networks that were trained alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bars_tf.compare.statistics import kendall_tau
from bars_tf.cost.measures import MEASURES

MIN_NETWORKS = 4  # a tau of fewer networks says nothing

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]  # by search and network: "accuracy" and "loss"


def correlations(networks: Mapping[str, Sequence[Mapping[str, Any]]], scores: Scores) -> dict[str, Any] | None:
    """Kendall's tau and its standard error, with the mean test accuracies of networks.

    They are those of scores, of costs, and of a second training.

    `networks` are the trainings, rows of `compare.json`, of each network by its name. Returns `ranking` of
    `compare.json`; None for fewer than `MIN_NETWORKS` networks.
    """
    if len(networks) < MIN_NETWORKS:
        return None
    tested = [float(np.mean([row["test_accuracy"] for row in rows])) for rows in networks.values()]
    unselected = [[row["test_accuracy"] for row in rows if not row.get("chosen")] for rows in networks.values()]
    twice = [accuracies[:2] for accuracies in unselected if len(accuracies) > 1]
    searches = []
    for name, found in scores.items():
        accuracies, losses = ([found[network][key] for network in networks] for key in ("accuracy", "loss"))
        best = int(np.lexsort((losses, -np.array(accuracies)))[0])
        searches.append({"search": name, **_tau("accuracy_tau", accuracies, tested),
                         **_tau("loss_tau", [-loss for loss in losses], tested),
                         "best_scored": list(networks)[best], "its_test_accuracy": tested[best]})
    costs = {name: kendall_tau([rows[0]["cost"][name] for rows in networks.values()], tested) for name in MEASURES
             if all(name in rows[0]["cost"] for rows in networks.values())}
    return {"networks": len(networks), "searches": searches, "trained_twice": len(twice),
            "cost_tau": {name: tau for name, (tau, _) in costs.items()},
            "cost_tau_error": {name: error for name, (_, error) in costs.items()},
            **(_tau("two_seeds_tau", *zip(*twice)) if len(twice) >= MIN_NETWORKS else
               {"two_seeds_tau": None, "two_seeds_tau_error": None})}


def _tau(name: str, one: Sequence[float], other: Sequence[float]) -> dict[str, float | None]:
    """A tau by its name, and its standard error."""
    tau, error = kendall_tau(one, other)
    return {name: tau, f"{name}_error": error}
