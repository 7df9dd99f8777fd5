"""How well the supernet of a search ranks networks that were trained alone: Kendall's tau, and that of their costs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bars_tf import console as screen
from bars_tf.cli import workdir
from bars_tf.cli.search import search_of
from bars_tf.compare.statistics import kendall_tau
from bars_tf.config import SearchConfig
from bars_tf.cost.tables import MEASURES
from bars_tf.data.splits import load_splits, reading
from bars_tf.files import read_json, write_json
from bars_tf.legacy_keras import tf
from bars_tf.report import run_files
from bars_tf.search import workflow as search
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.space.genotype import Genotype
from bars_tf.training.inputs import validation_batches

FEWEST = 4  # networks; of fewer a tau says nothing
CANDIDATES = "candidates.json"


def settings(directory: Path, comparison: SearchConfig) -> SearchConfig:
    """The settings of a finished search whose supernet can score the networks of a comparison.

    Raises: ValueError telling why it can't.
    """
    for name in (run_files.CONFIG, CANDIDATES):
        if not (directory / name).exists():
            raise ValueError(f"has no {name}, as a finished search leaves it")
    config = workdir.settings_of(directory / run_files.CONFIG, "search", f"--workdir={directory}",
                                 "--strategy=one_device")
    if config.search_space != comparison.search_space:
        raise ValueError("searched another space")
    if config.data_name != comparison.data_name:
        raise ValueError(f"searched on {config.data_name}")
    return config.replace(data_dir=comparison.data_dir or config.data_dir)


def scores(directory: Path, comparison: SearchConfig, networks: Mapping[str, Genotype], file: Path
           ) -> dict[str, dict[str, float]]:
    """Accuracy and loss that the supernet of a finished search gives each network, on the search's own validation
    images; what `file` has of an earlier start is taken from there. Leaves the search's directory as it is.

    Args:
        directory: the search's work directory.
        networks: by name, of the search's space.
        file: where they are kept.
    Raises: ValueError telling why it can't.
    """
    config = settings(directory, comparison)
    kept = read_json(file, 2**26) if file.exists() else {}
    digest = hashlib.sha256((directory / CANDIDATES).read_bytes()).hexdigest()
    if not isinstance(kept, dict) or kept.get("search") != digest:
        kept = {"search": digest, "scores": []}
    found = {row["name"]: row for row in kept["scores"]
             if networks.get(row["name"]) == Genotype.from_dict_of(file, row["genotype"])}
    missing = [name for name in networks if name not in found]
    if missing:
        if not (directory / "search" / "checkpoints" / "checkpoint").exists():
            raise ValueError("keeps no checkpoint of its supernet")
        images = load_splits(config.data)
        supernet, _, position = search.restored(search_of(config, images, directory), writes=False)
        if position.epoch < config.search_epochs:
            raise ValueError(f"its checkpoint is of {position.epoch} of {config.search_epochs} epochs")
        scorer, batches = Scorer(supernet), validation_batches(images, config.run.max_steps)
        with reading(images.validation):
            for i, name in enumerate(missing, 1):
                accuracy, loss = scorer.score(networks[name], batches)
                found[name] = {"name": name, "genotype": networks[name].to_dict(), "accuracy": accuracy, "loss": loss}
                write_json(file, {**kept, "scores": list(found.values())})
                screen.say(f"compare  scored {i} of {len(missing)} by the supernet of {directory.name}: {accuracy:.2%}")
        tf.keras.backend.clear_session()
    return {name: {key: found[name][key] for key in ("accuracy", "loss")} for name in networks}


def of_networks(networks: Mapping[str, Sequence[Mapping[str, Any]]],
                scored: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, Any] | None:
    """The taus with the mean test accuracies of networks; None of fewer than `FEWEST`.

    Args:
        networks: the trainings of each network, rows of `compare.json`.
        scored: by search the `scores` of these networks.
    """
    if len(networks) < FEWEST:
        return None
    tested = [float(np.mean([row["test_accuracy"] for row in rows])) for rows in networks.values()]
    drawn = [[row["test_accuracy"] for row in rows if not row.get("chosen")] for rows in networks.values()]
    twice = [accuracies[:2] for accuracies in drawn if len(accuracies) > 1]
    searches = []
    for name, found in scored.items():
        accuracies, losses = ([found[network][key] for network in networks] for key in ("accuracy", "loss"))
        best = int(np.lexsort((losses, -np.array(accuracies)))[0])
        searches.append({"search": name, "accuracy_tau": kendall_tau(accuracies, tested),
                         "loss_tau": kendall_tau([-loss for loss in losses], tested),
                         "best_scored": list(networks)[best], "its_test_accuracy": tested[best]})
    costs = {name: kendall_tau([rows[0]["cost"][name] for rows in networks.values()], tested) for name in MEASURES}
    return {"networks": len(networks), "searches": searches, "cost_tau": costs, "trained_twice": len(twice),
            "two_seeds_tau": kendall_tau(*zip(*twice)) if len(twice) >= FEWEST else None}
