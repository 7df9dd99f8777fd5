"""Trainings of a comparison: the same for all networks, each in a directory of its own, and resumable."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bars_tf import console
from bars_tf.compare import rank_correlation, tables
from bars_tf.compare.contenders import RANDOM, REFERENCE, SEARCHED, Contender
from bars_tf.compare.differences import selected_random
from bars_tf.compare.rank_correlation import MIN_NETWORKS, Scores
from bars_tf.config import RunSettings
from bars_tf.cost.budget import Budget
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import InputError
from bars_tf.files import discard_states
from bars_tf.legacy_keras import tf
from bars_tf.report.run_files import NETWORKS, read_log
from bars_tf.space.genotype import Genotype
from bars_tf.training.outcome import finished, train_and_test
from bars_tf.training.settings import TrainingSettings

Row = dict[str, Any]


class Comparison(NamedTuple):
    """Networks, and what their trainings have in common.

    Attributes:
        contenders: the networks.
        draws: how the random ones were drawn (`random_networks.Draws.to_dict`).
        train_seeds: trainings of a random network that searched ones are compared with by name.
        training, run: settings of the trainings; each has a seed and a work directory of its own.
        images: of all trainings.
        space_name: name of the search space.
        budget: limits that all networks keep.
        keep_settings: writes the settings of a training into its directory, given that directory, the network and the
            seed.
    """

    contenders: Sequence[Contender]
    draws: Mapping[str, Any]
    train_seeds: int
    training: TrainingSettings
    run: RunSettings
    images: ImageSplits
    space_name: str
    budget: Budget
    keep_settings: Callable[[Path, Contender, int], None]


def run(comparison: Comparison) -> None:
    """Trains all networks that are not trained yet, and writes the results (`tables.write`) after each of them."""
    jobs, rows, pace = ordered(comparison.contenders), [], _Pace()
    results, scores = Path(comparison.run.workdir), None
    subject = {"dataset": comparison.images.settings.name, "space": comparison.space_name,
               "budget": comparison.budget.limits()}
    while len(rows) < len(jobs):
        contender, number = jobs[len(rows)]
        rows.append(_trained(comparison, contender, number, pace, len(rows), len(jobs)))
        if pace.worked or len(rows) == len(jobs):
            tables.write(results, rows, len(jobs), comparison.draws, scores or {}, subject)
        if len(rows) == len(jobs):
            if scores is None and (scores := _scores(comparison.contenders, results / "scores")):
                tables.write(results, rows, len(jobs), comparison.draws, scores, subject)
            jobs += _selected(comparison, rows, scores)


def ordered(contenders: Sequence[Contender]) -> list[tuple[Contender, int]]:
    """The trainings as (network, number of the seed): kind by kind, all networks with the first seed first."""
    return [(contender, number) for kind in (RANDOM, SEARCHED, REFERENCE)
            for number in range(max(c.num_seeds for c in contenders))
            for contender in contenders if contender.kind == kind and number < contender.num_seeds]


def _selected(comparison: Comparison, rows: Sequence[Row], scores: Scores) -> list[tuple[Contender, int]]:
    """Further trainings of the random networks that searched ones are compared with by name, up to `train_seeds`.

    The best of many networks by one training each owes a part of its lead to chance; further seeds remove that.
    """
    trained = [row["name"] for row in rows]
    selected = selected_random(rows, scores)
    return [(contender, trained.count(contender.name)) for contender in comparison.contenders
            if contender.name in selected and trained.count(contender.name) < comparison.train_seeds]


def _scores(contenders: Sequence[Contender], directory: Path) -> Scores:
    """Scores of the random networks by the supernet of each search; empty if there are too few networks."""
    randoms, scores = {c.name: c.network for c in contenders if c.kind == RANDOM}, {}
    for contender in contenders:
        if contender.search and len(randoms) >= MIN_NETWORKS:
            try:
                scores[contender.name] = rank_correlation.score(contender.search, randoms,
                                                                directory / f"{contender.name}.json")
            except (ValueError, OSError) as error:
                console.say(f"compare: note: the supernet of {contender.search.directory} does not score the random "
                            f"networks: {error}")
    return scores


def _trained(comparison: Comparison, contender: Contender, number: int, pace: _Pace, before: int, total: int) -> Row:
    """Trains a network with seed number `number`, unless it is trained, and returns its row of `compare.json`."""
    images, network, seed = comparison.images, contender.network, comparison.run.seed + number
    directory = Path(comparison.run.workdir, NETWORKS, f"{contender.name}_seed{seed}")
    file = directory / "genotype.json"
    if file.exists() and Genotype.load(file) != network:
        raise InputError.of("workdir", directory, f"has a training of another network than this {contender.name}; "
                            "choose another --workdir, or append to --genotypes in place of changing them")
    network.save(file, images.image_shape, images.num_classes)
    summary = finished(directory, comparison.training.train_epochs)
    pace.begin(f"{contender.name}, seed {seed}", summary is not None, before, total)
    if not summary:
        comparison.keep_settings(directory, contender, seed)
        summary = train_and_test(
            comparison.training, dataclasses.replace(comparison.run, seed=seed, workdir=str(directory)), images,
            network, directory, comparison.budget.limits(), kind=contender.kind,
            **({"reference": contender.name} if contender.kind == REFERENCE else {}))
        tf.keras.backend.clear_session()
    discard_states(directory)
    pace.end()
    optional = {"search_seconds": contender.search_seconds, "chosen": number >= contender.num_seeds or None}
    return {"name": contender.name, "kind": contender.kind, "genotype": network.to_dict(), "seed": seed,
            "epochs": comparison.training.train_epochs, "cost": contender.cost.to_dict(),
            "test_accuracy": summary["test_accuracy"],
            "validation_accuracy": read_log(directory / "train" / "log.csv")[-1]["val_accuracy"],
            "train_seconds": summary["train_seconds"],
            **{name: value for name, value in optional.items() if value is not None}}


class _Pace:
    """Reports each training and estimates the remaining time from the trainings of this start."""

    def __init__(self) -> None:
        self.seconds, self.worked = [], False

    def begin(self, what: str, is_trained: bool, before: int, total: int) -> None:
        self.started, self.worked = time.monotonic(), not is_trained
        left = ""
        if self.seconds:
            left = f", about {console.duration(sum(self.seconds) / len(self.seconds) * (total - before))} left"
        state = "is trained" if is_trained else "begins"
        console.say(f"compare  network {before + 1} of {total}: {what}, {state}{left}")

    def end(self) -> None:
        if self.worked:
            self.seconds.append(time.monotonic() - self.started)
