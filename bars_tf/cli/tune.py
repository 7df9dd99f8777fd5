"""`bin/tune`: tunes the settings of a training, or searches networks as a black box, by keras-tuner.

Several processes share the trials of one work directory as keras-tuner documents it, by KERASTUNER_TUNER_ID ("chief" in
one of them), KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT in the environment.
"""

import os
from pathlib import Path

from bars_tf import console
from bars_tf.cli import inputs, workdir
from bars_tf.cli.finish import finish
from bars_tf.cli.settings import Settings
from bars_tf.compare.settings import TuningSettings
from bars_tf.compare.tuning.tuner import PROJECT, Task, run_trials
from bars_tf.cost.budget import Budget
from bars_tf.data.splits import load_splits
from bars_tf.errors import InputError, blame
from bars_tf.report import run
from bars_tf.report.run_files import GENOTYPE
from bars_tf.space.genotype import Genotype
from bars_tf.training import environment


def main(settings: Settings) -> None:
    """Runs the trials and trains the best one; started again, it resumes."""
    worker, directory = is_worker(), Path(settings.run.workdir)
    if worker:
        directory.mkdir(parents=True, exist_ok=True)
    else:
        workdir.claim(settings, "tune")
    seconds = time_limit(settings.tuning)
    genotype = inputs.read_genotype(settings) if settings.tuning.what == "training" else None
    kept = directory / PROJECT / GENOTYPE
    if genotype and kept.exists() and Genotype.load(kept) != genotype:
        raise InputError.of("workdir", directory, "tunes another genotype than --genotype="
                            f"{settings.values['genotype']}; choose another directory")
    strategy = environment.initialize(settings.run)
    images = load_splits(settings.data)
    images.read()
    if genotype:
        with blame("genotype", settings.values["genotype"]):
            genotype.space.check_image(images.image_shape)
        budget = inputs.given_budget(settings, images)
    else:
        budget = inputs.checked_budget(settings, images)
        inputs.check_training(settings, images, strategy)
    if not worker:
        workdir.keep(settings, "tune", images.train.sha256)
        if genotype:
            genotype.save(kept)
    task = Task(settings.tuning, genotype, settings.search_space, budget, settings.training, settings.run, images)
    if worker:
        console.say(f"tune  this worker waits for trials of the chief at {os.environ['KERASTUNER_ORACLE_IP']}:"
                    f"{os.environ['KERASTUNER_ORACLE_PORT']}")
    found = run_trials(task, seconds, worker)
    if not found:
        console.say("tune  no trials are left; the chief trains the best network")
        return
    training, images, network = task.trial(found["best"]["values"], settings.training.train_epochs)
    network.save(directory / GENOTYPE, images.image_shape, images.num_classes)
    finish(training, settings.run, images, network, directory, strategy,
           Budget(device=budget.device) if genotype else budget,
           search_accuracy=found["best"]["accuracy"], search_seconds=found["seconds"],
           tuner={name: found[name] for name in ("tuner", "what", "trials", "failed", "infeasible")})


def time_limit(settings: TuningSettings) -> float | None:
    """Seconds after which no trial begins, or None; raises InputError if `as_long_as` is no finished search."""
    if not settings.as_long_as:
        return 60 * settings.tune_minutes or None
    with blame("as_long_as", settings.as_long_as):
        seconds = run.read(Path(settings.as_long_as)).summary.get("search_seconds")
        if not seconds or seconds < 0:
            raise ValueError("has no finished search: its summary.json has no search_seconds")
    return seconds


def is_worker() -> bool:
    """Whether this process only runs trials that another process, the chief, distributes; raises InputError if the
    environment has only some of the three variables, or a port that is none."""
    names = [f"KERASTUNER_{name}" for name in ("TUNER_ID", "ORACLE_IP", "ORACLE_PORT")]
    if names[1] not in os.environ:
        return False
    if missing := [name for name in names if not os.environ.get(name)]:
        raise InputError(f"{missing[0]}: is needed in the environment beside {names[1]}; {names[0]} is chief in one "
                         "process and a name of its own in each worker")
    port = os.environ[names[2]]
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):  # else gRPC would take another one
        raise InputError(f"{names[2]}={port}: must be a port, 1 to 65535, the same for the chief and the workers")
    return "chief" not in os.environ[names[0]]
