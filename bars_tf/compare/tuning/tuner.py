"""Tuner of keras-tuner: its trials train one genotype with other settings, or networks of a space within a budget."""

import contextlib
import dataclasses
import io
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import keras_tuner

from bars_tf import console
from bars_tf.compare.settings import TuningSettings
from bars_tf.compare.tuning import hyperparameters
from bars_tf.compare.tuning.oracles import OBJECTIVE, BudgetedOracle, make_oracle
from bars_tf.config import RunSettings
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import CostTables, cost_of, cost_tables
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import Failure, InputError, as_text, blame, one_line
from bars_tf.files import write_bytes, write_json
from bars_tf.legacy_keras import tf
from bars_tf.report.page import PAGE
from bars_tf.report.run_files import CANDIDATES, GENOTYPE, MODEL, SUMMARY, TRIALS, TUNED, read_log, read_object
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.fit import train_network
from bars_tf.training.settings import TrainingSettings

PROJECT = "tune"  # subdirectory of keras-tuner's files


class Task(NamedTuple):
    """The common settings of all trials. Without a genotype, networks of `space` within the budget are tuned."""

    settings: TuningSettings
    genotype: Genotype | None
    space: SearchSpace
    budget: Budget
    training: TrainingSettings
    run: RunSettings
    images: ImageSplits

    @property
    def directory(self) -> Path:
        return Path(self.run.workdir)

    @property
    def tables(self) -> CostTables:
        return cost_tables(self.space, self.images.image_shape, self.images.num_classes, self.budget.device)

    def trial(self, values: Mapping[str, Any], epochs: int) -> tuple[TrainingSettings, ImageSplits, Genotype]:
        """Settings, images and network of a training with these values of hyperparameters."""
        network, values = (self.genotype, values) if self.genotype else (
            hyperparameters.genotype_of(self.space, values), {})
        training, data, network = hyperparameters.tuned(self.training, self.images.settings, network, values, epochs)
        return training, self.images._replace(settings=data), network

    def feasible(self, values: Mapping[str, Any]) -> bool:
        """Whether the network of these values is one of the space and keeps the budget."""
        if self.genotype:
            return True
        genotype = hyperparameters.genotype_of(self.space, values)
        return (all(len(node) <= genotype.space.most_inputs for topology in genotype.topologies for node in topology)
                and self.budget.allows(cost_of(genotype, self.tables)))


class Tuner(keras_tuner.Tuner):
    """Runs each trial by `training.fit.train_network`; the score is the validation accuracy of the last epoch."""

    def __init__(self, task: Task, oracle: BudgetedOracle):
        self.task = task
        with contextlib.redirect_stdout(io.StringIO()):  # keras-tuner prints what it reloads
            super().__init__(oracle=oracle, directory=str(task.directory), project_name=PROJECT)

    # Without keras-tuner's own file of the tuner, which has no content that could be damaged.
    def save(self) -> None:
        if not self._is_worker():
            self.oracle.save()
        write_json(self._get_tuner_fname(), self.get_state())

    def reload(self) -> None:
        if not self._is_worker():
            self.oracle.reload()

    def run_trial(self, trial: Any, **_: Any) -> dict[str, float]:
        directory = Path(self.get_trial_dir(trial.trial_id))
        try:
            return {OBJECTIVE: self._accuracy(trial, directory)}
        except KeyboardInterrupt:
            self.save()  # the time of this trial, which the next start resumes from its checkpoint
            raise
        except (InputError, FloatingPointError) as error:
            console.say(f"tune  trial {trial.trial_id} failed: {error}")
            # keras-tuner counts it as failed, as it does FailedTrialError, but prints no traceback.
            return {OBJECTIVE: float("nan")}
        except Exception as error:  # such as a full disk: every other trial would fail too
            raise keras_tuner.errors.FatalError(f"trial {trial.trial_id}: {type(error).__name__}: {error}") from error

    def _accuracy(self, trial: Any, directory: Path) -> float:
        values = trial.hyperparameters.values
        epochs = self.task.settings.trial_epochs
        training, images, genotype = self.task.trial(values, epochs)
        # Without the choices of a network, which are too many to show.
        shown = [f"{name}={as_text(round(value, 5) if isinstance(value, float) else value)}"
                 for name, value in values.items() if "/" not in name]
        console.say("  ".join((f"tune  trial {trial.trial_id}", f"epochs={epochs}", *shown)))
        train_network(training, self.task.run, images, genotype, directory)
        accuracy = read_log(directory / "train" / "log.csv")[-1]["val_accuracy"]
        console.say(f"tune  trial {trial.trial_id}  validation accuracy {accuracy:.2%}")
        for name in ("checkpoints", "tensorboard"):
            shutil.rmtree(directory / "train" / name, ignore_errors=True)
        tf.keras.backend.clear_session()
        return accuracy


def run_trials(task: Task, seconds: float | None, is_worker: bool) -> dict[str, Any] | None:
    """Runs the trials that are left; none begins later than `seconds` after the first start.

    Finished trials are continued if their limits were raised since.

    Returns: the results (`trials.json`); None in a worker, whose results another process, the chief, has.
    Raises:
        Failure: no trial was completed, or one failed for a reason that every other trial would meet, as a full disk.
        InputError: a file of the earlier trials is damaged.
    """
    hp = hyperparameters.trainings(task.images.train) if task.genotype else hyperparameters.architectures(task.space)
    with _reached():
        tuner = Tuner(task, make_oracle(
            task.settings.tuner, hp, trials=task.settings.max_trials, seed=task.run.seed, feasible=task.feasible,
            seconds=seconds))
    file, limits = task.directory / TRIALS, {"max_trials": task.settings.max_trials, "max_seconds": seconds}
    with blame("workdir", task.directory):
        earlier = read_object(file) if file.exists() else {}
    if not is_worker and limits.items() <= earlier.items():
        return earlier
    tuner.save()  # so that a run that is killed in its first trial can be resumed
    try:
        with _reached():
            tuner.search(verbose=0)
    except keras_tuner.errors.FatalError as error:
        raise Failure(str(error)) from error
    if is_worker:
        return None
    return conclude(task, tuner.oracle, limits, earlier)


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """Turns what gRPC says of an address, in a block where processes share the trials, into one line."""
    try:
        yield
    except RuntimeError as error:
        if "bind" in str(error):
            raise InputError(f"{_chief()}: the chief cannot listen there; another program does, or it is no address of "
                             "this machine") from None
        raise
    except grpc.RpcError as error:
        reason = error.details() if isinstance(error, grpc.Call) else one_line(error)
        raise Failure(f"{_chief()}: the chief cannot be reached ({reason}); start it again, and this worker after it"
                      ) from None


def _chief() -> str:
    names = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"
    return " ".join(f"{name}={os.environ.get(name)}" for name in names)


def conclude(task: Task, oracle: BudgetedOracle, limits: Mapping[str, float | None], earlier: Mapping[str, Any]
             ) -> dict[str, Any]:
    """Writes the results: `trials.json`, and `tuned.flags` for settings or `candidates.json` for networks.

    Args:
        limits: limits of the trials, by their names in `trials.json`.
        earlier: the results with lower limits; empty if there are none. The training of their best trial is removed
            if another one leads now.
    """
    done = sorted((t for t in oracle.trials.values() if t.status == "COMPLETED"), key=lambda t: (-t.score, t.trial_id))
    if not done:
        raise Failure(f"none of {len(oracle.trials)} trials was completed; the lines above say why")
    best = done[0]
    found = {
        "what": task.settings.what, "tuner": task.settings.tuner, "seconds": oracle.seconds, "trials": len(done),
        "failed": len(oracle.trials) - len(done), "infeasible": oracle.infeasible, **limits,
        "best": {"values": best.hyperparameters.values, "accuracy": best.score},
        "all": [{"trial": t.trial_id, "accuracy": t.score, "values": t.hyperparameters.values} for t in done]}
    if task.genotype:
        training, images, _ = task.trial(best.hyperparameters.values, task.training.train_epochs)
        lines = [f"--{field.name}={as_text(getattr(new, field.name))}"
                 for old, new in ((task.images.settings, images.settings), (task.training, training))
                 for field in dataclasses.fields(old) if getattr(new, field.name) != getattr(old, field.name)]
        head = "# Settings that bin/tune found. The quantizer is in genotype.json."
        write_bytes(task.directory / TUNED, ("\n".join([head, *lines]) + "\n").encode())
    else:
        networks = [hyperparameters.genotype_of(task.space, t.hyperparameters.values) for t in done]
        write_json(task.directory / CANDIDATES, {"search_seconds": oracle.seconds, "candidates": [
            {"origin": task.settings.tuner, "accuracy": t.score, "cost": cost_of(g, task.tables).to_dict(),
             "genotype": g.to_dict()} for t, g in zip(done, networks)]})
    if earlier and earlier["best"] != found["best"]:
        console.say("tune  another trial leads now: its network is trained in place of that of the earlier one")
        for name in (SUMMARY, MODEL, GENOTYPE, PAGE):
            (task.directory / name).unlink(missing_ok=True)
        shutil.rmtree(task.directory / "train", ignore_errors=True)
    write_json(task.directory / TRIALS, found)
    console.say(f"tune  {len(done)} trials, {found['failed']} failed, {found['infeasible']} proposals over the budget; "
                f"best validation accuracy {best.score:.2%}, in {console.duration(oracle.seconds)}")
    return found
