"""`bin/search`: the main job. Searches, derives, rebuilds, trains, evaluates; run again, it resumes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bars_tf import console as screen
from bars_tf.cli import workdir
from bars_tf.cli.flag_values import parse_budgets
from bars_tf.config import TWIN, SearchConfig, budget_flag
from bars_tf.console import duration
from bars_tf.cost import deployment
from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import Budget
from bars_tf.data import pipeline as data
from bars_tf.data.pipeline import ImageData
from bars_tf.errors import FieldError, InputError, blame
from bars_tf.files import read_json, write_json
from bars_tf.legacy_keras import tf
from bars_tf.search import family
from bars_tf.search import successive_halving as finals
from bars_tf.search.derivation.candidates import Candidate
from bars_tf.search.derivation.reach import check_budget as check_reach
from bars_tf.search.derivation.reach import cost_range
from bars_tf.search.ranking import rank
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.search.trajectory import Trajectory
from bars_tf.space.genotype import Genotype
from bars_tf.training import callbacks, distribution, schedules
from bars_tf.training import checkpoints as resume
from bars_tf.training import fit as training
from bars_tf.training.outcome import budget, check_teacher, finish
from bars_tf.training.progress import Progress

SHOWN = ("loss", "accuracy", "arch_loss", "arch_accuracy", "expected_ops")
UNDECIDED = 0.5
# A step of the weights and one of the alphas, in times of the first: for an estimate.
PAIR_PER_WEIGHT_STEP = 2


def main(config: SearchConfig) -> int:
    directory = workdir.claim(config, "search")
    strategy = training.start(config)
    train, validation, test = training.load_data(config)
    training.read(train, test)
    check_budget(config, train)
    check_teacher(config, train)
    training.steps_of(config, "batch_size", *halves(config, train))
    training.steps_of(config, "train_batch_size", train)
    training.check_shares(config, strategy, validation, "batch_size", "train_batch_size")
    workdir.keep(config, "search", train.sha256)
    genotype, found = search(config, train, validation, directory, strategy)
    finish(config, genotype, train, validation, test, directory, strategy, **found,
           budget=limits(config, train).limits())
    return 0


def steering(config: SearchConfig, train: ImageData) -> Budget:
    """The limits that the alphas are steered to."""
    return family.steered(config, budget(config, train)) if config.budgets else limits(config, train)


def halves(config: SearchConfig, train: ImageData) -> tuple[ImageData, ...]:
    """The training images of the weights and those of the alphas."""
    with blame("arch_split", config.arch_split):
        return train.split(config.seed + 1, (1 - config.arch_split, config.arch_split))


def limits(config: SearchConfig, train: ImageData) -> Budget:
    """The limits that the flags set, for the largest network of a family."""
    found = budget(config, train)
    return list(family.members(config, found).values())[-1] if config.budgets else found


def check_budget(config: SearchConfig, train: ImageData) -> None:
    """Refuses images that are too small for the space, and a budget that no network keeps, before any work."""
    with blame("backbone" if config.backbone else "space", config.backbone or config.space):
        config.search_space.check_image(train.image_shape)
    tables = complexity.cost_tables(config.search_space, train.image_shape, train.num_classes)
    if config.budgets:
        family.check(config, tables)
    for note in deployment.notes(config.search_space):
        screen.say(f"note: {note}")
    found = limits(config, train)
    largest = {name: cost_range(tables, name)[1] for name in found.limits()}
    if found.limits() and all(found.limits()[name] >= largest[name] for name in largest):
        reach = ", ".join(f"{name} {most:,.0f}" for name, most in largest.items())
        screen.say(f"note: the budget leaves out no network: the largest of the space has {reach}")
    try:
        check_reach(tables, found)
    except ValueError as error:
        given = config.budget.limits()
        name = error.field if isinstance(error, FieldError) else next(iter(given), None)
        flag, value = (budget_flag(name), given[name]) if name in given else ("max_overhead", config.max_overhead)
        raise InputError.of(flag, value, getattr(error, "remedy", str(error))) from None


def search(config: SearchConfig, train: ImageData, validation: ImageData, directory: Path,
           strategy: tf.distribute.Strategy) -> tuple[Genotype, dict]:
    """Searches and derives, or reads what an earlier start has derived.

    Returns: the genotype, and for `summary.json` its accuracy by the supernet and the seconds of the search.
    """
    candidates_file = directory / "candidates.json"
    if not (candidates_file.exists() and (directory / "genotype.json").exists()):
        if distribution.is_shared(strategy):
            with strategy.scope():
                train_supernet(config, train, directory)
        if workdir.is_chief(config):
            derive_genotype(config, train, validation, directory, candidates_file)
        distribution.wait_for_all(strategy)
    found = read_json(candidates_file, max_bytes=2**30)
    if "winner_of_finals" in found and workdir.is_chief(config):
        finals.hand_over(directory, found["winner_of_finals"])
    distribution.wait_for_all(strategy)
    return Genotype.load(directory / "genotype.json"), {
        "search_accuracy": found["candidates"][0]["accuracy"], "search_seconds": found["search_seconds"]}


def derive_genotype(config: SearchConfig, train: ImageData, validation: ImageData, directory: Path,
                    candidates_file: Path) -> None:
    """Writes the candidates and `genotype.json`, from the supernet that is searched here, or was by several devices and
    is restored on one."""
    supernet, seconds = train_supernet(config, train, directory)
    warn_if_undecided(supernet)
    started = time.monotonic()
    scored = Scored(directory / "search" / "scored.json")
    with training.reading(validation):
        batches = training.validation_batches(config, validation)
        screen.say("derive  finding candidates within the budget")
        if config.budgets:
            candidates = derive_family(config, supernet, batches, scored, directory, train)
        else:
            candidates = rank(supernet, batches, config.num_candidates - 1, scored.show, scored.known,
                              limits(config, train))
        say_by_way(candidates)
    seconds, winner = seconds + scored.seconds_before + time.monotonic() - started, {}
    if config.num_finalists:
        candidates, winner["winner_of_finals"], took = finals.play(config, candidates, train, validation, directory)
        seconds += took
    write_json(candidates_file, {
        "search_seconds": seconds, **winner, "candidates": [candidate_row(c) for c in candidates]})
    candidates[0].genotype.save(directory / "genotype.json", train.image_shape, train.num_classes)
    (directory / "search" / "scored.json").unlink()


def say_by_way(candidates: Sequence[Candidate]) -> None:
    """Tells what each way from the alphas to a genotype has brought: the alphas alone, samples of them, evolution."""
    best = {}
    for candidate in candidates:  # the best first
        best.setdefault(candidate.origin, candidate.accuracy)
    screen.say("derive  the best by way, by the supernet: " + ", ".join(
        f"{origin} {accuracy:.2%}" for origin, accuracy in best.items()))


class Scored:
    """The candidates that were scored, kept in a file until all are: a run that is stopped goes on with those that are
    missing."""

    def __init__(self, path: Path):
        self.path, self._progress = path, None
        self._rows = read_json(path, max_bytes=2**30) if path.exists() else []
        self.seconds_before, self._last = sum(row.get("seconds", 0) for row in self._rows), time.monotonic()
        self.known = {Genotype.from_dict_of(path, row["genotype"]): (row["accuracy"], row["loss"])
                      for row in self._rows}

    def show(self, candidate: Candidate, number: int, total: int) -> None:
        """Keeps one, and shows how far the scoring is."""
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


def derive_family(config: SearchConfig, supernet: Supernet, batches: tf.data.Dataset, scored: Scored, directory: Path,
                  train: ImageData) -> list[Candidate]:
    """Writes `family.json` and the genotype of each budget. Returns: the candidates of the largest."""
    measure, _ = parse_budgets(config.budgets)
    found = family.derived(supernet, batches, family.members(config, budget(config, train)), config.num_candidates - 1,
                           scored.known, scored.show)
    (directory / "family").mkdir(exist_ok=True)
    for limit, (member, *_) in found.items():
        path = directory / "family" / family.file_name(limit)
        member.genotype.save(path, train.image_shape, train.num_classes)
        screen.say(f"family  {getattr(member.cost, measure):,.0f} of {limit:,.0f} {measure}, accuracy "
                   f"{member.accuracy:.2%} by the supernet: {path}")
    write_json(directory / "family.json", {"measure": measure, "members": [
        {"budget": limit, **candidate_row(member)} for limit, (member, *_) in found.items()]})
    return list(found.values())[-1]


def candidate_row(candidate: Candidate) -> dict:
    """A candidate as JSON."""
    return {"origin": candidate.origin, "accuracy": candidate.accuracy, "loss": candidate.loss,
            "cost": candidate.cost.to_dict(), "genotype": candidate.genotype.to_dict()}


def train_supernet(config: SearchConfig, train: ImageData, directory: Path) -> tuple[Supernet, float]:
    """The searched supernet, and the seconds that it took, those of earlier starts included. It is searched under the
    strategy whose scope this is called in."""
    parts = halves(config, train)
    steps = training.steps_of(config, "batch_size", *parts)
    screen.say("search  building the supernet and tracing its first step: less than a minute")
    subdirectory = directory / "search"
    strategy, writes = tf.distribute.get_strategy(), workdir.is_chief(config)
    supernet, checkpoints, first = restored(config, train, directory, writes)

    def batches(position):
        return distribution.distribute(strategy, config.batch_size, lambda shard: data.bilevel(
            parts, config.batch_size, seed=config.seed, start_epoch=position.epoch, start_step=position.step,
            steps=steps, shard=shard, augment=training.augmentation(config, train)))

    if first.epoch < config.search_epochs:
        progress = Progress("search", config.search_epochs, steps, SHOWN, first,
                            estimate=lambda seconds: estimate(config, train, seconds, first.epoch))
        # Before the log, which takes the shares and costs that it adds.
        trajectory = Trajectory(str(subdirectory / "trajectory.jsonl"), str(subdirectory / "tensorboard" / "cells"))
        with training.reading(train):
            resume.fit(supernet, batches, config.search_epochs, checkpoints, [
                callbacks.Phases(config.search_epochs, config.warmup_epochs,
                                 schedules.geometric(config.temperature, config.final_temperature),
                                 schedules.linear(0.0, config.entropy_weight)),
                callbacks.StopOnNaN("search", "--weight_lr or --clip_norm", first),
                *([callbacks.WarnOfCollapse(), progress, trajectory, *training.logs(subdirectory)] if writes else [])])
    return supernet, checkpoints.seconds


def restored(config: SearchConfig, train: ImageData, directory: Path, writes: bool
             ) -> tuple[Supernet, resume.Checkpoints, resume.Position]:
    """The supernet as the newest readable checkpoint of a search has it, and how far that is.

    Args:
        writes: whether the directory is this process's to write to.
    """
    steps = training.steps_of(config, "batch_size", *halves(config, train))
    supernet = Supernet(config.search_space, train.image_shape, train.num_classes, config.seed)
    supernet.compile(
        training.optimizer(config.weight_optimizer, config.weight_lr, config.search_epochs * steps, 0,
                           config.clip_norm),
        # BARS's code: betas (0.5, 0.999).
        tf.keras.optimizers.legacy.Adam(config.arch_lr, beta_1=0.5), steering(config, train), config.sampling,
        config.cost_exponent, config.uniform_share)
    checkpoints = resume.Checkpoints(str(directory / "search" / "checkpoints"), steps, config.save_minutes, writes,
                                     model=supernet)
    return supernet, checkpoints, checkpoints.restore()


def estimate(config: SearchConfig, train: ImageData, seconds: float, first_epoch: int) -> str:
    """The time of the whole run as its flags ask for it, without `--max_steps`, from the seconds of a first step."""
    steps = int(train.num_images * min(config.arch_split, 1 - config.arch_split)) // config.batch_size
    # The first steps are of the weights alone where there is a warm-up.
    weight_step = seconds if first_epoch < config.warmup_epochs else seconds / PAIR_PER_WEIGHT_STEP
    pairs = config.search_epochs - config.warmup_epochs
    searching = steps * weight_step * (config.warmup_epochs + pairs * PAIR_PER_WEIGHT_STEP)
    epochs = (config.train_epochs + config.pretrain_epochs) * (1 + config.train_backbone)
    epochs += config.train_epochs if config.teacher == TWIN else 0
    training_seconds = epochs * train.num_images / config.batch_size * weight_step
    return (f"the whole run: about {duration(searching)} for the search and {duration(training_seconds)} for the "
            "training, by the first steps")


def warn_if_undecided(supernet: Supernet) -> None:
    """Says so where the alphas of a level are still near to uniform."""
    for level, value in supernet.relative_entropies().items():
        if value > UNDECIDED:
            screen.say(f"search: warning: {level} choices are undecided (mean entropy {value:.0%} of its maximum): "
                       "more epochs or a higher --arch_lr would decide them")
