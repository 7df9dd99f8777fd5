"""The training of the supernet, which resumes where an earlier start was stopped."""

from bars_tf import console
from bars_tf.data import pipeline
from bars_tf.data.splits import reading
from bars_tf.legacy_keras import tf
from bars_tf.search import phases
from bars_tf.search.supernet.objective import relative_entropies
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.search.task import Search
from bars_tf.training import checkpoints, distribution, fit, schedules
from bars_tf.training.progress import Progress
from bars_tf.training.settings import TWIN

SHOWN = ("loss", "accuracy", "arch_loss", "arch_accuracy", "expected_ops")
UNDECIDED = 0.5  # relative entropy
# A step of the weights and one of the alphas, in times of the first: for an estimate.
PAIR_PER_WEIGHT_STEP = 2


def train_supernet(search: Search) -> tuple[Supernet, float]:
    """Trains the supernet under the strategy whose scope this is called in; returns it and the seconds that it took,
    those of earlier starts included."""
    settings, steps = search.settings, search.steps
    console.say("search  building the supernet and tracing its first step: less than a minute")
    directory = search.directory / "search"
    strategy, writes = tf.distribute.get_strategy(), search.run.is_chief
    supernet, saved, first = restored(search, writes)

    def batches(position):
        return distribution.distribute_batches(strategy, settings.batch_size, lambda shard: pipeline.bilevel(
            search.parts, settings.batch_size, seed=search.run.seed, start_epoch=position.epoch,
            start_step=position.step, steps=steps, shard=shard, augment=search.images.augmentation))

    if first.epoch < settings.search_epochs:
        progress = Progress("search", settings.search_epochs, steps, SHOWN, first,
                            estimate=lambda seconds: estimate(search, seconds, first.epoch))
        # Before the log, which takes the fractions and costs that it adds.
        trajectory = phases.Trajectory(directory / "trajectory.jsonl", directory / "tensorboard" / "cells")
        with reading(search.images.train):
            checkpoints.fit(supernet, batches, settings.search_epochs, saved, [
                phases.Phases(settings.search_epochs, settings.warmup_epochs,
                              schedules.geometric(settings.temperature, settings.final_temperature),
                              schedules.linear(0.0, settings.entropy_weight)),
                phases.RaiseOnNaN("search", "--weight_lr or --clip_norm", first),
                *([phases.WarnOfCollapse(), progress, trajectory, *fit.loggers(directory)] if writes else [])])
    return supernet, saved.seconds


def restored(search: Search, writes: bool) -> tuple[Supernet, checkpoints.Checkpoints, checkpoints.Position]:
    """The supernet at the newest readable checkpoint of a search, and its position; `writes` says whether this process
    may write to the directory."""
    settings = search.settings
    supernet = Supernet(search.space, search.images.image_shape, search.images.num_classes, search.run.seed)
    supernet.compile(
        fit.optimizer(settings.weight_optimizer, settings.weight_lr, settings.search_epochs * search.steps, 0,
                      settings.clip_norm),
        # BARS's code: betas (0.5, 0.999).
        tf.keras.optimizers.legacy.Adam(settings.arch_lr, beta_1=0.5), search.steering, settings.sampling,
        settings.cost_exponent, settings.uniform_share)
    saved = checkpoints.Checkpoints(str(search.directory / "search" / "checkpoints"), search.steps,
                                    search.run.save_minutes, writes, model=supernet)
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
    return (f"the whole run: about {console.duration(searching)} for the search and "
            f"{console.duration(training_seconds)} for the training, by the first steps")


def warn_if_undecided(supernet: Supernet) -> None:
    """Warns where the alphas of a level are still near to uniform."""
    for level, value in relative_entropies(supernet.probabilities(), supernet.space).items():
        if value > UNDECIDED:
            console.say(f"search: warning: {level} choices are undecided (mean entropy {value:.0%} of its maximum): "
                        "more epochs or a higher --arch_lr would decide them")
