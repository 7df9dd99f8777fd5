"""`bin/compare`: searched, random and hand-made networks of equal cost under one training; run again, it resumes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bars_tf import console as screen
from bars_tf.cli import workdir
from bars_tf.cli.budget import checked_budget, given_budget
from bars_tf.compare import contenders
from bars_tf.compare import differences as comparison
from bars_tf.compare import rank_correlation as ranking
from bars_tf.compare.baselines import REFERENCES
from bars_tf.compare.contenders import Contender
from bars_tf.config import SearchConfig
from bars_tf.console import duration
from bars_tf.data.pipeline import ImageData
from bars_tf.data.splits import load_splits
from bars_tf.errors import InputError
from bars_tf.files import discard_states
from bars_tf.legacy_keras import tf
from bars_tf.report import run_files
from bars_tf.space.genotype import Genotype
from bars_tf.training import environment
from bars_tf.training.inputs import steps_per_epoch
from bars_tf.training.outcome import finished, train_and_test
from bars_tf.training.stages import check_teacher


def main(config: SearchConfig) -> int:
    contenders.check(config)
    directory = Path(config.workdir)
    workdir.claim(config, "compare")
    environment.start(config.run)
    images = load_splits(config.data)
    train = images.train
    checked_budget(config, images)
    check_teacher(config.training, images)
    steps_per_epoch("train_batch_size", config.training.train_batch_size, config.run.max_steps, train)
    found, draws = contenders.gather(config, train)
    images.read()
    workdir.keep(config, "compare", train.sha256)
    (directory / run_files.NETWORKS).mkdir(exist_ok=True)
    allowed = given_budget(config, images)
    rows: list[dict[str, Any]] = []
    scored: dict[str, Any] | None = None
    jobs = ordered(found)
    pace = Pace()
    while len(rows) < len(jobs):
        contender, seed = jobs[len(rows)]
        where = directory / run_files.NETWORKS / f"{contender.name}_seed{config.seed + seed}"
        one = settings(config, contender, config.seed + seed, where)
        claim(contender, where, train)
        done = finished(where, one.training.train_epochs)
        pace.begin(f"{contender.name}, seed {one.seed}", done is not None, len(rows), len(jobs))
        if not done:
            workdir.write_flagfile(where / run_files.CONFIG, one, "train")
            done = train_and_test(one.training, one.run, images, contender.network, where, allowed.limits(),
                                  kind=contender.kind, **({"reference": one.network} if one.network else {}))
            tf.keras.backend.clear_session()
        discard_states(where)
        pace.end()
        rows.append(row(contender, one, done, where) | ({} if seed < contender.num_seeds else {"chosen": True}))
        if pace.worked or len(rows) == len(jobs):
            comparison.write(directory, config, allowed, rows, draws, len(jobs), scored)
        if len(rows) == len(jobs):
            if scored is None and (scored := scores(config, found, directory)):
                comparison.write(directory, config, allowed, rows, draws, len(jobs), scored)
            jobs += once_more(config, found, rows, scored)
    print((directory / comparison.TABLE).read_text(encoding="utf-8").partition("## Pictures")[0].strip())
    files = (comparison.JSON, comparison.TABLE, *comparison.PICTURES, f"{run_files.NETWORKS}/")
    print(f"\nfiles: {directory}/: {', '.join(files)}")
    return 0


def ordered(found: Sequence[Contender]) -> list[tuple[Contender, int]]:
    """The trainings, (contender, number of the seed): kind by kind, each first with its first seed."""
    kinds = (contenders.RANDOM, contenders.SEARCHED, contenders.REFERENCE)
    return [(contender, seed) for kind in kinds for seed in range(max(c.num_seeds for c in found))
            for contender in found if contender.kind == kind and seed < contender.num_seeds]


def once_more(config: SearchConfig, found: Sequence[Contender], rows: Sequence[dict[str, Any]], scored: dict[str, Any]
              ) -> list[tuple[Contender, int]]:
    """The next trainings of those random networks that searched ones are compared with by name and that have fewer of
    them than these: the best of many networks of one training each is so by luck as well."""
    trained = [row["name"] for row in rows]
    named = comparison.chosen_random(rows, scored)
    return [(contender, trained.count(contender.name)) for contender in found
            if contender.name in named and trained.count(contender.name) < config.train_seeds]


def scores(config: SearchConfig, found: Sequence[Contender], directory: Path) -> dict[str, Any]:
    """What the supernet of each search gives the random networks; nothing for too few of these."""
    randoms, scored = {c.name: c.network for c in found if c.kind == contenders.RANDOM}, {}
    searches = [c for c in found if c.search and len(randoms) >= ranking.FEWEST]
    if searches:
        (directory / "scores").mkdir(exist_ok=True)
    for contender in searches:
        file = directory / "scores" / f"{contender.name}.json"
        try:
            scored[contender.name] = ranking.scores(contender.search, config, randoms, file)
        except (ValueError, OSError) as error:
            screen.say(f"compare: note: {contender.search}: {error}: its supernet does not score the random networks")
    return scored


def settings(config: SearchConfig, contender: Contender, seed: int, where: Path) -> SearchConfig:
    """The settings of one training: those of the comparison but for seed, directory and network."""
    genotype = isinstance(contender.network, Genotype)
    return config.replace(
        seed=seed, workdir=str(where), genotype=str(where / "genotype.json") if genotype else None,
        network=contender.name if not genotype and contender.name in REFERENCES else None)


def claim(contender: Contender, where: Path, train: ImageData) -> None:
    """Writes the genotype into the training's directory.

    Raises: InputError if another one is trained there.
    """
    if isinstance(contender.network, Genotype):
        file = where / "genotype.json"
        if file.exists() and Genotype.load(file) != contender.network:
            raise InputError.of("workdir", where, f"trains another network than this {contender.name}; choose another "
                                "--workdir, or add genotypes behind those that were there")
        contender.network.save(file, train.image_shape, train.num_classes)


def row(contender: Contender, one: SearchConfig, summary: dict[str, Any], where: Path) -> dict[str, Any]:
    """An entry of `networks` in `compare.json`."""
    found = {"name": contender.name, "kind": contender.kind}
    if isinstance(contender.network, Genotype):
        found["genotype"] = contender.network.to_dict()
    if contender.search_seconds is not None:
        found["search_seconds"] = contender.search_seconds
    return found | {
        "seed": one.seed, "epochs": one.train_epochs, "cost": contender.cost.to_dict(),
        "test_accuracy": summary["test_accuracy"],
        "validation_accuracy": run_files.read_log(where / "train" / "log.csv")[-1]["val_accuracy"],
        "train_seconds": summary["train_seconds"]}


class Pace:
    """Says which training begins, and how long the rest will take by those that this start has seen."""

    def __init__(self) -> None:
        self.seconds, self.worked = [], False

    def begin(self, what: str, done: bool, before: int, total: int) -> None:
        self.started, self.worked = time.monotonic(), not done
        left = ""
        if self.seconds:
            mean = sum(self.seconds) / len(self.seconds)
            left = f", about {duration(mean * (total - before))} left"
        state = "is trained" if done else "begins"
        screen.say(f"compare  network {before + 1} of {total}, {what}, {state}{left}")

    def end(self) -> None:
        if self.worked:
            self.seconds.append(time.monotonic() - self.started)
