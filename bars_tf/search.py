"""`bin/search`: the main job. Searches, derives, rebuilds, trains, evaluates; run again, it resumes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bars_tf import callbacks, complexity, data, derive, schedules, scoring, training, workdir
from bars_tf.callbacks import duration
from bars_tf.config import InputError, SearchConfig, as_text, blame
from bars_tf.data import ImageData
from bars_tf.derive import Candidate
from bars_tf.genotype import Genotype, read_json, write_json
from bars_tf.legacy_keras import tf
from bars_tf.supernet import Supernet
from bars_tf.train import finish

SHOWN = ("loss", "accuracy", "arch_loss", "arch_accuracy", "expected_ops")
UNDECIDED = 0.5
# A step of the weights and one of the alphas, in times of the first: for an estimate.
PAIR_PER_WEIGHT_STEP = 3


def main(config: SearchConfig) -> int:
    directory = workdir.claim(config, "search")
    training.start(config)
    train, validation, test = training.load_data(config)
    check_budget(config, train)
    training.steps_of(config, "batch_size", *halves(config, train))
    training.steps_of(config, "train_batch_size", train)
    genotype, found = search(config, train, validation, directory)
    finish(config, genotype, train, validation, test, directory, **found)
    return 0


def halves(config: SearchConfig, train: ImageData) -> tuple[ImageData, ...]:
    """The training images of the weights and those of the alphas."""
    with blame("arch_split", config.arch_split):
        return train.split(config.seed + 1, (1 - config.arch_split, config.arch_split))


def check_budget(config: SearchConfig, train: ImageData) -> None:
    """Refuses a budget that no network of the space keeps, before any work."""
    tables = complexity.cost_tables(config.search_space, train.image_shape, train.num_classes)
    for note in config.search_space.deployment_notes():
        print(f"search: note: {note}", file=sys.stderr)
    try:
        derive.check_budget(tables, config.budget)
    except ValueError as error:
        limits = config.budget.limits()
        name = next((n for n in limits if f"budget {n}=" in str(error)), next(iter(limits)))
        flag = {"size_bytes": "budget_size"}.get(name, f"budget_{name}")
        remedy = str(error).partition(" is ")[2] or str(error)
        raise InputError.of(flag, as_text(limits[name]), f"is {remedy}" if remedy in str(error) else remedy) from None


def search(config: SearchConfig, train: ImageData, validation: ImageData, directory: Path) -> tuple[Genotype, dict]:
    """Searches and derives, or reads what an earlier start has derived.

    Returns: the genotype, and for `summary.json` its accuracy by the supernet and the seconds of the search.
    """
    candidates_file = directory / "candidates.json"
    if candidates_file.exists() and (directory / "genotype.json").exists():
        found = read_json(candidates_file, max_bytes=2**30)
        return Genotype.load(directory / "genotype.json"), {
            "search_accuracy": found["candidates"][0]["accuracy"], "search_seconds": found["search_seconds"]}
    supernet, seconds = train_supernet(config, train, directory)
    candidates = scoring.rank(supernet, training.validation_batches(config, validation), config.num_candidates - 1,
                              candidate_progress())
    write_json(candidates_file, {
        "search_seconds": seconds, "candidates": [candidate_row(c) for c in candidates]})
    candidates[0].genotype.save(directory / "genotype.json", train.image_shape, train.num_classes)
    return candidates[0].genotype, {"search_accuracy": candidates[0].accuracy, "search_seconds": seconds}


def candidate_progress() -> Callable[[int, int, float], None]:
    """Says how far the scoring of candidates is."""
    print("derive  finding candidates within the budget", file=sys.stderr)
    lines: list[callbacks.Progress] = []

    def show(scored: int, total: int, accuracy: float) -> None:
        if not lines:
            lines.append(callbacks.Progress("derive", 1, total, ("accuracy",)))
        lines[0].on_train_batch_end(scored - 1, {"accuracy": accuracy})
        if scored == total:
            lines[0].on_epoch_end(0, {"accuracy": accuracy})

    return show


def candidate_row(candidate: Candidate) -> dict:
    """A candidate as JSON."""
    return {"origin": candidate.origin, "accuracy": candidate.accuracy, "loss": candidate.loss,
            "cost": candidate.cost.to_dict(), "genotype": candidate.genotype.to_dict()}


def train_supernet(config: SearchConfig, train: ImageData, directory: Path) -> tuple[Supernet, float]:
    """The searched supernet, and the seconds that it took, those of earlier starts included."""
    parts = halves(config, train)
    steps = training.steps_of(config, "batch_size", *parts)
    print("search  building the supernet and tracing its first step: less than a minute", file=sys.stderr)
    supernet = Supernet(config.search_space, train.image_shape, train.num_classes, config.seed)
    supernet.compile(
        training.optimizer(config.weight_optimizer, config.weight_lr, config.search_epochs * steps, 0,
                           config.clip_norm),
        # BARS's code: betas (0.5, 0.999).
        tf.keras.optimizers.legacy.Adam(config.arch_lr, beta_1=0.5), config.budget, config.sampling,
        config.cost_exponent)
    subdirectory = directory / "search"
    checkpoints = callbacks.Checkpoints(str(subdirectory / "checkpoints"), model=supernet)
    first_epoch = checkpoints.restore()
    if first_epoch < config.search_epochs:
        batches = data.bilevel(parts, config.batch_size, seed=config.seed, start_epoch=first_epoch,
                               augment=training.augmentation(config, train))
        supernet.fit(
            batches, epochs=config.search_epochs, initial_epoch=first_epoch, steps_per_epoch=steps, verbose=0,
            callbacks=[
                callbacks.Phases(config.search_epochs, config.warmup_epochs,
                                 schedules.geometric(config.temperature, config.final_temperature),
                                 schedules.linear(0.0, config.entropy_weight)),
                callbacks.StopOnNaN("search"), callbacks.Log(str(subdirectory / "log.csv")),
                tf.keras.callbacks.TensorBoard(str(subdirectory / "tensorboard"), write_graph=False),
                callbacks.Progress("search", config.search_epochs, steps, SHOWN, first_epoch,
                                   estimate=lambda seconds: estimate(config, train, seconds, first_epoch)),
                checkpoints])
    warn_if_undecided(supernet)
    return supernet, float(checkpoints.seconds.numpy())


def estimate(config: SearchConfig, train: ImageData, seconds: float, first_epoch: int) -> str:
    """The time of the whole run as its flags ask for it, without `--max_steps`, from the seconds of a first step."""
    steps = int(train.num_images * min(config.arch_split, 1 - config.arch_split)) // config.batch_size
    # The first steps are of the weights alone where there is a warm-up.
    weight_step = seconds if first_epoch < config.warmup_epochs else seconds / PAIR_PER_WEIGHT_STEP
    pairs = config.search_epochs - config.warmup_epochs
    searching = steps * weight_step * (config.warmup_epochs + pairs * PAIR_PER_WEIGHT_STEP)
    training_seconds = config.train_epochs * train.num_images / config.batch_size * weight_step
    return (f"the whole run: about {duration(searching)} for the search and {duration(training_seconds)} for the "
            "training, by the first steps")


def warn_if_undecided(supernet: Supernet) -> None:
    """Says so where the alphas of a level are still near to uniform."""
    for level, value in supernet.relative_entropies().items():
        if value > UNDECIDED:
            print(f"search: warning: {level} choices are undecided (mean entropy {value:.0%} of its maximum): more "
                  "epochs or a higher --arch_lr would decide them", file=sys.stderr)
