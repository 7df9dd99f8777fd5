"""Trainings of a comparison: the same for all networks, each in a directory of its own, and resumable."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf import console
from bars_tf.compare import tables
from bars_tf.compare.contenders import RANDOM, REFERENCE, SEARCHED, Contender
from bars_tf.compare.differences import Row, best_by_validation, hand_made, selected_random
from bars_tf.compare.rank_correlation import MIN_NETWORKS, Scores
from bars_tf.config import RunSettings, running_seconds
from bars_tf.cost.budget import Budget
from bars_tf.data.splits import ImageSplits, reading
from bars_tf.errors import InputError
from bars_tf.files import sha256
from bars_tf.legacy_keras import tf
from bars_tf.report.run_files import CANDIDATES, GENOTYPE, NETWORKS, read_log
from bars_tf.search.ranking import SavedScores, Score
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet_training import restored
from bars_tf.search.task import Search
from bars_tf.space.genotype import Genotype
from bars_tf.training.checkpoint_files import discard_states
from bars_tf.training.inputs import validation_batches
from bars_tf.training.outcome import finished_summary, train_and_test
from bars_tf.training.settings import TrainingSettings


class Comparison(NamedTuple):
    """Networks, and the common settings of their trainings; each has a seed and a work directory of its own.

    Attributes:
        draws: how the random networks were drawn (`random_networks.Draws.to_dict`).
        train_seeds: trainings of a random or hand-made network that searched ones are compared with by name.
        searches: by path of a searched network, returns its search, whose supernet can score the random networks.
        keep_settings: writes the settings of the training in a directory, given its seed.
    """

    contenders: Sequence[Contender]
    draws: Mapping[str, Any]
    train_seeds: int
    training: TrainingSettings
    run: RunSettings
    images: ImageSplits
    space_name: str
    budget: Budget
    searches: Mapping[str, Callable[[], Search]]
    keep_settings: Callable[[Path, int], None]


def run(comparison: Comparison) -> None:
    """Trains all networks that are not trained yet, and writes the results (`tables.write`) after each of them."""
    jobs, rows, seconds = ordered(comparison.contenders), [], []
    results, scores = Path(comparison.run.workdir), None
    subject = {"dataset": comparison.images.settings.name, "space": comparison.space_name,
               "budget": comparison.budget.limits()}
    while len(rows) < len(jobs):
        contender, number = jobs[len(rows)]
        seed = comparison.run.seed + number
        directory = results / NETWORKS / f"{contender.name}_seed{seed}"
        _keep_genotype(contender, directory, comparison.images)
        summary, started = finished_summary(directory, comparison.training.train_epochs), running_seconds()
        left = f", about {console.duration(np.mean(seconds) * (len(jobs) - len(rows)))} left" if seconds else ""
        console.say(f"compare  network {len(rows) + 1} of {len(jobs)}: {contender.name}, seed {seed}, "
                    f"{'is trained' if summary else 'begins'}{left}")
        if is_new := not summary:
            comparison.keep_settings(directory, seed)
            summary = train_and_test(
                comparison.training, dataclasses.replace(comparison.run, seed=seed, workdir=str(directory)),
                comparison.images, contender.network, directory, comparison.budget, kind=contender.kind,
                **({"reference": contender.baseline} if contender.baseline else {}))
            tf.keras.backend.clear_session()
            seconds.append(running_seconds() - started)
        discard_states(directory)
        rows.append(_row(contender, number, summary, directory))
        is_last = len(rows) == len(jobs)
        if is_new or is_last:
            tables.write(results, rows, len(jobs), comparison.draws, scores or {}, subject)
        if is_last:
            if scores is None and (scores := _scores(comparison, results / "scores")):
                tables.write(results, rows, len(jobs), comparison.draws, scores, subject)
            jobs += _selected(comparison, rows, scores)


def ordered(contenders: Sequence[Contender]) -> list[tuple[Contender, int]]:
    """The trainings as (network, number of the seed): kind by kind, all networks with the first seed first."""
    return [(contender, number) for kind in (RANDOM, SEARCHED, REFERENCE)
            for number in range(max(c.num_seeds for c in contenders))
            for contender in contenders if contender.kind == kind and number < contender.num_seeds]


def _selected(comparison: Comparison, rows: Sequence[Row], scores: Scores) -> list[tuple[Contender, int]]:
    """Further trainings of the networks that searched ones are compared with by name, up to `train_seeds`.

    These are the best random networks, and of each baseline the best depth by validation images, first of all with the
    longer stem. The best of many networks by one training each leads partly by chance; further seeds reduce that bias.
    """
    trained = [row["name"] for row in rows]
    contenders = {c.name: c for c in comparison.contenders}
    contenders |= {c.variant.name: c.variant for c in comparison.contenders if c.variant}
    best = [best_by_validation(networks) for networks in hand_made(rows).values()]
    variants = [variant for name in best if (variant := contenders[name].variant) and variant.name not in trained]
    if variants:
        return [(variant, 0) for variant in variants]
    return [(contenders[name], trained.count(name)) for name in (*sorted(selected_random(rows, scores)), *best)
            if trained.count(name) < comparison.train_seeds]


def _scores(comparison: Comparison, directory: Path) -> Scores:
    """Scores of the random networks by the supernet of each search; empty if there are too few networks."""
    randoms, scores = {c.name: c.network for c in comparison.contenders if c.kind == RANDOM}, {}
    for contender in comparison.contenders:
        if contender.path in comparison.searches and len(randoms) >= MIN_NETWORKS:
            try:
                scores[contender.name] = score(Path(contender.path), comparison.searches[contender.path], randoms,
                                               directory)
            except (ValueError, OSError) as error:
                console.say(f"compare: note: the supernet of {contender.path} does not score the random networks: "
                            f"{error}")
    return scores


def score(directory: Path, load: Callable[[], Search], networks: Mapping[str, Genotype], scores: Path
          ) -> dict[str, dict[str, float]]:
    """Scores networks by the supernet of a search, on the validation images of that search.

    The directory of the search, which `load` returns with its images, stays as it is. Scores are kept in the directory
    `scores`, and read from there if the search and the networks are the same.

    Returns: `accuracy` (a fraction) and `loss` (mean cross entropy) of each network, by its name.
    Raises: ValueError if the directory has no checkpoint of the last epoch of the search.
    """
    def make() -> Score:
        search = load()
        if not (search.directory / "search" / "checkpoints" / "checkpoint").exists():
            raise ValueError("the directory has no checkpoint of its supernet")
        supernet, _, position = restored(search, writes=False)
        if position.epoch < search.settings.search_epochs:
            raise ValueError(f"the checkpoint is of epoch {position.epoch} of {search.settings.search_epochs}")
        scorer, batches = Scorer(supernet), validation_batches(search.images, search.run.max_steps)
        return reading(search.images.validation)(lambda genotype: scorer.score(genotype, batches))

    saved = SavedScores(scores / f"{sha256(directory / CANDIDATES)[:16]}.json", make)
    missing = [name for name, network in networks.items() if network not in saved.known]
    for i, name in enumerate(missing, 1):
        accuracy, _ = saved(networks[name])
        console.say(f"compare  {name} scored by the supernet of {directory.name} ({i} of {len(missing)}): "
                    f"{accuracy:.2%}")
    if missing:
        tf.keras.backend.clear_session()
    return {name: dict(zip(("accuracy", "loss"), saved(network))) for name, network in networks.items()}


def _keep_genotype(contender: Contender, directory: Path, images: ImageSplits) -> None:
    """Writes the genotype of a training, unless another one is trained there."""
    file = directory / GENOTYPE
    if file.exists() and Genotype.load(file) != contender.network:
        raise InputError.of("workdir", directory, f"has a training of another network than this {contender.name}; "
                            "choose another --workdir, or append to --genotypes in place of changing them")
    contender.network.save(file, images.image_shape, images.num_classes)


def _row(contender: Contender, number: int, summary: Mapping[str, Any], directory: Path) -> Row:
    """The entry of a training in `compare.json`."""
    optional = {"search_seconds": contender.search_seconds, "baseline": contender.baseline,
                "chosen": number >= contender.num_seeds or None}
    return {"name": contender.name, "kind": contender.kind, "genotype": contender.network.to_dict(),
            "cost": contender.cost.to_dict(), "seed": summary["seed"], "epochs": summary["train_epochs"],
            "test_accuracy": summary["test_accuracy"],
            "validation_accuracy": read_log(directory / "train" / "log.csv")[-1]["val_accuracy"],
            "train_seconds": summary["train_seconds"],
            **{name: value for name, value in optional.items() if value is not None}}
