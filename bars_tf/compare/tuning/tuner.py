"""`bin/tune`: keras-tuner over settings of a training, or over the networks of a space under the same budget as a
search. With KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT in the environment, several processes
share the trials of one work directory, as keras-tuner documents: one is called chief."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import keras_tuner

from bars_tf import console as screen
from bars_tf.cli import workdir
from bars_tf.cli.budget import checked_budget, given_budget
from bars_tf.cli.finish import finish
from bars_tf.cli.train import read_genotype
from bars_tf.compare.tuning import hyperparameters as tuning_spaces
from bars_tf.compare.tuning import oracles
from bars_tf.config import SearchConfig
from bars_tf.cost.tables import CostTables, cost_of, cost_tables
from bars_tf.data.splits import ImageSplits, load_splits
from bars_tf.errors import InputError, as_text, blame
from bars_tf.files import read_json, write_bytes, write_json
from bars_tf.legacy_keras import tf
from bars_tf.report import run, run_files
from bars_tf.space.genotype import Genotype
from bars_tf.training import environment
from bars_tf.training.fit import train_network
from bars_tf.training.inputs import steps_per_epoch

PROJECT = "tune"


class Task(NamedTuple):
    """What all trials share."""

    config: SearchConfig
    genotype: Genotype | None  # of --what=training
    images: ImageSplits
    tables: CostTables

    def settings(self, values: dict[str, Any], epochs: int) -> tuple[SearchConfig, Genotype]:
        """The configuration and network that a trial's values stand for."""
        if self.genotype:
            return tuning_spaces.with_settings(self.config, self.genotype, values, epochs)
        return tuning_spaces.with_settings(
            self.config, tuning_spaces.genotype_of(self.config.search_space, values), {}, epochs)

    def feasible(self, values: dict[str, Any]) -> bool:
        """Whether a network keeps the budget. Settings of a training always do."""
        if self.genotype:
            return True
        genotype = tuning_spaces.genotype_of(self.config.search_space, values)
        return (all(len(node) <= genotype.space.most_inputs for topology in genotype.topologies for node in topology)
                and given_budget(self.config, self.images).allows(cost_of(genotype, self.tables)))


class Tuner(keras_tuner.Tuner):
    """Runs each trial by the training that every other network here has (`training.train_network`)."""

    def __init__(self, task: Task, oracle: oracles.Limited):
        self.task = task
        with contextlib.redirect_stdout(io.StringIO()):  # keras-tuner says what it reloads
            super().__init__(oracle=oracle, directory=task.config.workdir, project_name=PROJECT)

    def run_trial(self, trial: Any, **_: Any) -> dict[str, float]:
        directory = Path(self.get_trial_dir(trial.trial_id))
        try:
            return {oracles.OBJECTIVE: self._accuracy(trial, directory)}
        except KeyboardInterrupt:
            self.save()  # the time that this trial took, which goes on from its checkpoint
            raise
        except (InputError, FloatingPointError) as error:
            screen.say(f"tune  trial {trial.trial_id} fails: {error}")
            # keras-tuner takes it for failed, as it does FailedTrialError, which it shows with a traceback.
            return {oracles.OBJECTIVE: float("nan")}
        except Exception as error:  # a full disk, say: it would fail every trial
            raise keras_tuner.errors.FatalError(f"trial {trial.trial_id}: {type(error).__name__}: {error}") from error

    def _accuracy(self, trial: Any, directory: Path) -> float:
        values = trial.hyperparameters.values
        epochs = int(values.get("tuner/epochs", self.task.config.trial_epochs))
        config, genotype = self.task.settings(values, epochs)
        screen.say(f"tune  trial {trial.trial_id}  {'  '.join([f'epochs={epochs}', *described(values)])}")
        train_network(config.training, config.run, self.task.images, genotype, directory)
        accuracy = run_files.read_log(directory / "train" / "log.csv")[-1]["val_accuracy"]
        screen.say(f"tune  trial {trial.trial_id}  validation accuracy {accuracy:.2%}")
        for name in ("checkpoints", "tensorboard"):
            shutil.rmtree(directory / "train" / name, ignore_errors=True)
        tf.keras.backend.clear_session()
        return accuracy


def main(config: SearchConfig) -> int:
    worker = is_worker()
    if worker:
        Path(config.workdir).mkdir(parents=True, exist_ok=True)
    directory = Path(config.workdir) if worker else workdir.claim(config, "tune")
    seconds = time_limit(config)
    genotype = read_genotype(config) if config.what == "training" else None
    if genotype and (directory / PROJECT / "genotype.json").exists() and Genotype.load(
            directory / PROJECT / "genotype.json") != genotype:
        raise InputError.of("workdir", config.workdir, f"tunes another genotype than --genotype={config.genotype}; "
                            "choose another directory")
    strategy = environment.start(config.run)
    images = load_splits(config.data)
    train = images.train
    images.read()
    if genotype:
        with blame("genotype", config.genotype):
            genotype.space.check_image(train.image_shape)
        tables = cost_tables(genotype.space, train.image_shape, train.num_classes)
        hyperparameters = tuning_spaces.training_settings(train)
    else:
        checked_budget(config, images)
        steps_per_epoch("train_batch_size", config.training.train_batch_size, config.run.max_steps, train)
        tables = cost_tables(config.search_space, train.image_shape, train.num_classes)
        hyperparameters = tuning_spaces.architectures(config.search_space)
    if not worker:
        workdir.keep(config, "tune", train.sha256)
    task = Task(config, genotype, images, tables)
    tuner = Tuner(task, oracles.make(
        config.tuner, hyperparameters, trials=config.max_trials, epochs=config.trial_epochs, seed=config.seed,
        feasible=task.feasible, seconds=seconds))
    if genotype and not worker:
        genotype.save(directory / PROJECT / "genotype.json")
    if not (directory / run_files.TRIALS).exists() or worker:
        tuner.save()  # else a run that is killed in its first trial would not be taken up
        tuner.search(verbose=0)
    if worker:
        screen.say("tune  no trials left; the chief trains the best one")
        return 0
    found = conclude(task, tuner.oracle, directory)
    best = found["best"]
    full, network = task.settings(best["values"], config.train_epochs)
    network.save(directory / "genotype.json", train.image_shape, train.num_classes)
    finish(full.training, full.run, images, network, directory, strategy,
           {} if genotype else given_budget(config, images).limits(), search_accuracy=best["accuracy"],
           search_seconds=found["seconds"],
           tuner={name: found[name] for name in ("tuner", "what", "trials", "failed", "infeasible")})
    return 0


def time_limit(config: SearchConfig) -> float | None:
    """Seconds after which no trial begins; None for no limit.

    Raises: InputError if `--as_long_as` is no finished search.
    """
    if not config.as_long_as:
        return 60 * config.tune_minutes or None
    with blame("as_long_as", config.as_long_as):
        seconds = run.read(Path(config.as_long_as)).summary.get("search_seconds")
        if not isinstance(seconds, (int, float)) or not seconds > 0:
            raise ValueError("has no finished search, whose summary.json tells the seconds")
    return seconds


def is_worker() -> bool:
    """Whether this process only runs trials that a chief gives out.

    Raises: InputError if the environment names a chief by halves.
    """
    names = [f"KERASTUNER_{name}" for name in ("TUNER_ID", "ORACLE_IP", "ORACLE_PORT")]
    if names[1] not in os.environ:
        return False
    if missing := [name for name in names if not os.environ.get(name)]:
        raise InputError(f"{missing[0]}: is needed in the environment beside {names[1]}; chief is the name of the one, "
                         "any others are those of the workers")
    return "chief" not in os.environ[names[0]]


def conclude(task: Task, oracle: oracles.Limited, directory: Path) -> dict[str, Any]:
    """Writes what was tried (`trials.json`, networks as `candidates.json` too, settings as `tuned.flags`), once.

    Raises: ValueError if no trial came to its end.
    """
    path = directory / run_files.TRIALS
    if path.exists():
        return read_json(path, max_bytes=2**28)
    done = sorted((t for t in oracle.trials.values() if t.status == "COMPLETED"),
                  key=lambda t: (-t.score, t.trial_id))
    if not done:
        raise ValueError(f"none of {len(oracle.trials)} trials came to its end; the lines above say why")
    # Of Hyperband's, those that were trained for the longest time: others may have led by luck.
    longest = max(t.hyperparameters.values.get("tuner/epochs", 0) for t in done)
    best = next(t for t in done if t.hyperparameters.values.get("tuner/epochs", 0) == longest)
    order = [best, *(t for t in done if t is not best)]
    found = {
        "what": task.config.what, "tuner": task.config.tuner, "seconds": oracle.seconds, "trials": len(done),
        "failed": len(oracle.trials) - len(done), "infeasible": oracle.infeasible,
        "best": {"values": best.hyperparameters.values, "accuracy": best.score},
        "all": [{"trial": t.trial_id, "accuracy": t.score, "values": t.hyperparameters.values} for t in order]}
    if task.genotype:
        tuned, _ = task.settings(best.hyperparameters.values, task.config.train_epochs)
        lines = [f"--{name}={as_text(value)}" for name, value in tuned.values.items()
                 if name != "trial_epochs" and value != task.config.values[name]]
        head = "# Settings that bin/tune found. The quantizer stands in genotype.json."
        write_bytes(directory / run_files.TUNED, ("\n".join([head, *lines]) + "\n").encode())
    else:
        networks = [task.settings(t.hyperparameters.values, 1)[1] for t in order]
        write_json(directory / "candidates.json", {"search_seconds": oracle.seconds, "candidates": [
            {"origin": task.config.tuner, "accuracy": t.score, "cost": cost_of(g, task.tables).to_dict(),
             "genotype": g.to_dict()} for t, g in zip(order, networks)]})
    write_json(path, found)
    screen.say(f"tune  {len(done)} trials, {found['failed']} failed, {found['infeasible']} proposals over the budget; "
               f"best validation accuracy {best.score:.2%}, in {screen.duration(oracle.seconds)}")
    return found


def described(values: dict[str, Any]) -> list[str]:
    """The settings of a trial in words; a network has too many choices for that."""
    return [f"{name}={as_text(round(value, 5) if isinstance(value, float) else value)}"
            for name, value in values.items() if "/" not in name]
