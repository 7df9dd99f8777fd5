"""A search from the images to the genotype: train the supernet, derive candidates, score them, keep the best one.

Every step resumes where an earlier start was stopped.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bars_tf import console
from bars_tf.config import RunSettings
from bars_tf.console import duration
from bars_tf.cost import deployment
from bars_tf.cost.budget import Budget, Family
from bars_tf.cost.tables import CostTables, cost_tables
from bars_tf.data import pipeline
from bars_tf.data.image_data import ImageData
from bars_tf.data.splits import ImageSplits, reading
from bars_tf.errors import blame
from bars_tf.files import read_json, write_json
from bars_tf.legacy_keras import tf
from bars_tf.search import family, phases, successive_halving
from bars_tf.search.derivation import reach
from bars_tf.search.derivation.candidates import Candidate
from bars_tf.search.ranking import rank
from bars_tf.search.settings import SearchSettings
from bars_tf.search.supernet.objective import relative_entropies
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.search.trajectory import Trajectory
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace
from bars_tf.training import callbacks, checkpoints, distribution, schedules
from bars_tf.training.checkpoints import Checkpoints, Position
from bars_tf.training.fit import logs, optimizer
from bars_tf.training.inputs import steps_per_epoch, validation_batches
from bars_tf.training.progress import Progress
from bars_tf.training.settings import TWIN, TrainingSettings

SHOWN = ("loss", "accuracy", "arch_loss", "arch_accuracy", "expected_ops")
UNDECIDED = 0.5  # relative entropy
# A step of the weights and one of the alphas, in times of the first: for an estimate.
PAIR_PER_WEIGHT_STEP = 2


@dataclasses.dataclass(frozen=True)
class Search:
    """A search: its settings, images and work directory.

    Attributes:
        budget: limits of every derived network; those of `family` come on top.
        family: budgets for one network each; None for one network.
        training: settings of the training that follows, which finals begin.
        directory: work directory.
    """

    space: SearchSpace
    settings: SearchSettings
    budget: Budget
    family: Family | None
    training: TrainingSettings
    run: RunSettings
    images: ImageSplits
    directory: Path

    @property
    def limits(self) -> Budget:
        """The budget of the network that is trained: the largest one of a family."""
        return list(self.family.budgets(self.budget).values())[-1] if self.family else self.budget

    @property
    def steering(self) -> Budget:
        """The budget that steers the alphas."""
        return self.family.steering(self.budget) if self.family else self.budget

    @property
    def tables(self) -> CostTables:
        return cost_tables(self.space, self.images.image_shape, self.images.num_classes)

    @functools.cached_property
    def parts(self) -> tuple[ImageData, ...]:
        """The training images of the weights and those of the alphas."""
        fraction = self.settings.arch_split
        with blame("arch_split", fraction):
            return self.images.train.split(self.run.seed + 1, (1 - fraction, fraction))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return steps_per_epoch("batch_size", self.settings.batch_size, self.run.max_steps, *self.parts)


def check_budget(space: SearchSpace, budget: Budget, cost_tables: CostTables) -> None:
    """Refuses a budget that no network keeps, before any work, and notes one that leaves out no network.

    Raises: ValueError with the reachable range.
    """
    for note in deployment.notes(space):
        console.say(f"note: {note}")
    largest = {name: reach.cost_range(cost_tables, name)[1] for name in budget.limits()}
    if largest and all(limit >= largest[name] for name, limit in budget.limits().items()):
        sizes = ", ".join(f"{name} {most:,.0f}" for name, most in largest.items())
        console.say(f"note: the budget leaves out no network: the largest of the space has {sizes}")
    reach.check_budget(cost_tables, budget)


def run_search(search: Search, strategy: tf.distribute.Strategy) -> tuple[Genotype, dict[str, Any]]:
    """Searches and derives, or reads what an earlier start has derived.

    Returns:
        The genotype, and for `summary.json` its accuracy by the supernet and the seconds of the search.
    """
    directory, chief = search.directory, search.run.is_chief
    file = directory / "candidates.json"
    if not (file.exists() and (directory / "genotype.json").exists()):
        if distribution.is_shared(strategy):
            with strategy.scope():
                train_supernet(search)
        if chief:
            derive_genotype(search, file)
        distribution.wait_for_all(strategy)
    found = read_json(file, max_bytes=2**30)
    if "winner_of_finals" in found and chief:
        successive_halving.promote(directory, found["winner_of_finals"])
    distribution.wait_for_all(strategy)
    return Genotype.load(directory / "genotype.json"), {
        "search_accuracy": found["candidates"][0]["accuracy"], "search_seconds": found["search_seconds"]}


def train_supernet(search: Search) -> tuple[Supernet, float]:
    """Trains the supernet under the strategy whose scope this is called in.

    Returns:
        The supernet, and the seconds that it took, those of earlier starts included.
    """
    settings, steps = search.settings, search.steps
    console.say("search  building the supernet and tracing its first step: less than a minute")
    directory = search.directory / "search"
    strategy, writes = tf.distribute.get_strategy(), search.run.is_chief
    supernet, saved, first = restored(search, writes)

    def batches(position):
        return distribution.distribute(strategy, settings.batch_size, lambda shard: pipeline.bilevel(
            search.parts, settings.batch_size, seed=search.run.seed, start_epoch=position.epoch,
            start_step=position.step, steps=steps, shard=shard, augment=search.images.augmentation))

    if first.epoch < settings.search_epochs:
        progress = Progress("search", settings.search_epochs, steps, SHOWN, first,
                            estimate=lambda seconds: estimate(search, seconds, first.epoch))
        # Before the log, which takes the fractions and costs that it adds.
        trajectory = Trajectory(str(directory / "trajectory.jsonl"), str(directory / "tensorboard" / "cells"))
        with reading(search.images.train):
            checkpoints.fit(supernet, batches, settings.search_epochs, saved, [
                phases.Phases(settings.search_epochs, settings.warmup_epochs,
                              schedules.geometric(settings.temperature, settings.final_temperature),
                              schedules.linear(0.0, settings.entropy_weight)),
                callbacks.StopOnNaN("search", "--weight_lr or --clip_norm", first),
                *([phases.WarnOfCollapse(), progress, trajectory, *logs(directory)] if writes else [])])
    return supernet, saved.seconds


def restored(search: Search, writes: bool) -> tuple[Supernet, Checkpoints, Position]:
    """The supernet at the newest readable checkpoint of a search, and its position.

    Args:
        writes: whether this process may write to the directory.
    """
    settings = search.settings
    supernet = Supernet(search.space, search.images.image_shape, search.images.num_classes, search.run.seed)
    supernet.compile(
        optimizer(settings.weight_optimizer, settings.weight_lr, settings.search_epochs * search.steps, 0,
                  settings.clip_norm),
        # BARS's code: betas (0.5, 0.999).
        tf.keras.optimizers.legacy.Adam(settings.arch_lr, beta_1=0.5), search.steering, settings.sampling,
        settings.cost_exponent, settings.uniform_share)
    saved = Checkpoints(str(search.directory / "search" / "checkpoints"), search.steps, search.run.save_minutes, writes,
                        model=supernet)
    return supernet, saved, saved.restore()


def estimate(search: Search, seconds: float, first_epoch: int) -> str:
    """The time of the whole run without `max_steps`, from the seconds of a first step."""
    settings, training, count = search.settings, search.training, search.images.train.num_images
    steps = int(count * min(settings.arch_split, 1 - settings.arch_split)) // settings.batch_size
    # The first steps are of the weights alone where there is a warm-up.
    weight_step = seconds if first_epoch < settings.warmup_epochs else seconds / PAIR_PER_WEIGHT_STEP
    pairs = settings.search_epochs - settings.warmup_epochs
    searching = steps * weight_step * (settings.warmup_epochs + pairs * PAIR_PER_WEIGHT_STEP)
    epochs = (training.train_epochs + training.pretrain_epochs) * (1 + training.train_backbone)
    epochs += training.train_epochs if training.teacher == TWIN else 0
    training_seconds = epochs * count / settings.batch_size * weight_step
    return (f"the whole run: about {duration(searching)} for the search and {duration(training_seconds)} for the "
            "training, by the first steps")


def derive_genotype(search: Search, candidates_file: Path) -> None:
    """Writes the candidates and `genotype.json`, from the supernet that is trained here, or was by several devices and
    is restored on one."""
    supernet, seconds = train_supernet(search)
    warn_if_undecided(supernet)
    started = time.monotonic()
    scores, settings = ScoreCache(search.directory / "search" / "scored.json"), search.settings
    with reading(search.images.validation):
        batches = validation_batches(search.images, search.run.max_steps)
        console.say("derive  finding candidates within the budget")
        if search.family:
            candidates = derive_family(search, supernet, batches, scores)
        else:
            candidates = rank(supernet, batches, settings.num_candidates - 1, scores.add, scores.known, search.limits)
        _say_best_by_origin(candidates)
    seconds, winner = seconds + scores.seconds_before + time.monotonic() - started, {}
    if settings.num_finalists:
        candidates, winner["winner_of_finals"], took = successive_halving.run_halving(
            settings, search.training, search.run, search.images, candidates, search.directory)
        seconds += took
    write_json(candidates_file, {
        "search_seconds": seconds, **winner, "candidates": [candidate_row(c) for c in candidates]})
    candidates[0].genotype.save(search.directory / "genotype.json", search.images.image_shape,
                                search.images.num_classes)
    (search.directory / "search" / "scored.json").unlink()


def derive_family(search: Search, supernet: Supernet, batches: tf.data.Dataset, scores: ScoreCache) -> list[Candidate]:
    """Writes `family.json` and the genotype of each budget.

    Returns:
        The candidates of the largest budget.
    """
    measure = search.family.measure
    found = family.rank_members(supernet, batches, search.family.budgets(search.budget),
                                search.settings.num_candidates - 1, scores.known, scores.add)
    (search.directory / "family").mkdir(exist_ok=True)
    for limit, (member, *_) in found.items():
        path = search.directory / "family" / family.file_name(limit)
        member.genotype.save(path, search.images.image_shape, search.images.num_classes)
        console.say(f"family  {getattr(member.cost, measure):,.0f} of {limit:,.0f} {measure}, accuracy "
                    f"{member.accuracy:.2%} by the supernet: {path}")
    write_json(search.directory / "family.json", {"measure": measure, "members": [
        {"budget": limit, **candidate_row(member)} for limit, (member, *_) in found.items()]})
    return list(found.values())[-1]


def candidate_row(candidate: Candidate) -> dict[str, Any]:
    """A candidate as JSON."""
    return {"origin": candidate.origin, "accuracy": candidate.accuracy, "loss": candidate.loss,
            "cost": candidate.cost.to_dict(), "genotype": candidate.genotype.to_dict()}


class ScoreCache:
    """The scores of candidates, kept in a file until all are scored: a stopped run resumes with the missing ones.

    Attributes:
        known: accuracy and loss of the genotypes that were scored.
        seconds_before: time that scoring took in earlier starts.
    """

    def __init__(self, path: Path):
        self.path, self._progress = path, None
        self._rows = read_json(path, max_bytes=2**30) if path.exists() else []
        self.seconds_before, self._last = sum(row.get("seconds", 0) for row in self._rows), time.monotonic()
        self.known = {Genotype.from_dict_of(path, row["genotype"]): (row["accuracy"], row["loss"])
                      for row in self._rows}

    def add(self, candidate: Candidate, number: int, total: int) -> None:
        """Keeps the score of candidate `number` of `total`, and shows the progress."""
        if number == 1:
            self._progress = None
        if candidate.genotype not in self.known:
            self.known[candidate.genotype] = candidate.accuracy, candidate.loss
            before, self._last = self._last, time.monotonic()
            self._rows.append({**candidate_row(candidate), "seconds": self._last - before})
            write_json(self.path, self._rows)
            if not self._progress:
                self._progress = Progress("derive", 1, total, ("accuracy",), (0, number - 1))
            self._progress.on_train_batch_end(number - 1 - self._progress.first[1], {"accuracy": candidate.accuracy})
        if number == total and self._progress:
            self._progress.on_epoch_end(0, {"accuracy": candidate.accuracy})


def _say_best_by_origin(candidates: Sequence[Candidate]) -> None:
    """Shows the best accuracy of each origin of candidates: the most probable one, samples, evolution."""
    best: dict[str, float] = {}
    for candidate in candidates:  # the best first
        best.setdefault(candidate.origin, candidate.accuracy)
    console.say("derive  best candidate by origin, accuracy by the supernet: " + ", ".join(
        f"{origin} {accuracy:.2%}" for origin, accuracy in best.items()))


def warn_if_undecided(supernet: Supernet) -> None:
    """Warns where the alphas of a level are still near to uniform."""
    for level, value in relative_entropies(supernet.probabilities(), supernet.space).items():
        if value > UNDECIDED:
            console.say(f"search: warning: {level} choices are undecided (mean entropy {value:.0%} of its maximum): "
                        "more epochs or a higher --arch_lr would decide them")
