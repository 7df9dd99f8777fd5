"""Rank correlation of supernet scores, and of costs, with the test accuracies of networks that were trained alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf import console
from bars_tf.compare.statistics import kendall_tau
from bars_tf.cost.measures import MEASURES
from bars_tf.data.splits import reading
from bars_tf.files import read_json, sha256, write_json
from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.search.supernet_training import restored
from bars_tf.search.task import Search
from bars_tf.space.genotype import Genotype
from bars_tf.training.inputs import validation_batches

MIN_NETWORKS = 4  # a tau of fewer networks says nothing
CANDIDATES = "candidates.json"

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]  # by search and network: "accuracy" and "loss"


class FinishedSearch(NamedTuple):
    """A search whose supernet can score networks: its work directory, and how to load it with its images."""

    directory: Path
    load: Callable[[], Search]


def score(search: FinishedSearch, networks: Mapping[str, Genotype], file: Path) -> dict[str, dict[str, float]]:
    """Scores networks by the supernet of a search, on the validation images of that search.

    The directory of the search stays as it is. Scores are kept in `file`, and read from there if the search and the
    networks are the same.

    Args:
        networks: genotypes of the space of the search, by name.

    Returns:
        `accuracy` (a fraction) and `loss` (mean cross entropy) of each network.

    Raises:
        ValueError: the directory has no checkpoint of the last epoch of the search.
        OSError: a file cannot be read.
    """
    digest = sha256(search.directory / CANDIDATES)
    kept = read_json(file, 2**26) if file.exists() else {}
    if not isinstance(kept, dict) or kept.get("search") != digest:
        kept = {"search": digest, "scores": []}
    found = {row["name"]: row for row in kept["scores"]
             if networks.get(row["name"]) == Genotype.from_dict_of(file, row["genotype"])}
    missing = [name for name in networks if name not in found]
    if missing:
        loaded = search.load()
        scorer, batches = Scorer(_trained_supernet(loaded)), validation_batches(loaded.images, loaded.run.max_steps)
        with reading(loaded.images.validation):
            for i, name in enumerate(missing, 1):
                accuracy, loss = scorer.score(networks[name], batches)
                found[name] = {"name": name, "genotype": networks[name].to_dict(), "accuracy": accuracy, "loss": loss}
                write_json(file, {**kept, "scores": list(found.values())})
                console.say(f"compare  {name} scored by the supernet of {search.directory.name} ({i} of "
                            f"{len(missing)}): {accuracy:.2%}")
        tf.keras.backend.clear_session()
    return {name: {key: found[name][key] for key in ("accuracy", "loss")} for name in networks}


def _trained_supernet(search: Search) -> Supernet:
    if not (search.directory / "search" / "checkpoints" / "checkpoint").exists():
        raise ValueError("the directory has no checkpoint of its supernet")
    supernet, _, position = restored(search, writes=False)
    if position.epoch < search.settings.search_epochs:
        raise ValueError(f"the checkpoint is of epoch {position.epoch} of {search.settings.search_epochs}")
    return supernet


def correlations(networks: Mapping[str, Sequence[Mapping[str, Any]]], scores: Scores) -> dict[str, Any] | None:
    """Kendall's tau of scores, costs and a second training with the mean test accuracies of networks.

    Args:
        networks: by name the trainings of a network, rows of `compare.json`.
        scores: of all networks by the supernets of searches.

    Returns:
        `ranking` of `compare.json`; None for fewer than `MIN_NETWORKS` networks.
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
        searches.append({"search": name, "accuracy_tau": kendall_tau(accuracies, tested),
                         "loss_tau": kendall_tau([-loss for loss in losses], tested),
                         "best_scored": list(networks)[best], "its_test_accuracy": tested[best]})
    costs = {name: kendall_tau([rows[0]["cost"][name] for rows in networks.values()], tested) for name in MEASURES}
    return {"networks": len(networks), "searches": searches, "cost_tau": costs, "trained_twice": len(twice),
            "two_seeds_tau": kendall_tau(*zip(*twice)) if len(twice) >= MIN_NETWORKS else None}
