"""Oracles of keras-tuner that skip and count proposals over the budget, and stop after a time over all starts.

The results do not depend on the number of processes that run the trials.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner import HyperParameters, oracles
from keras_tuner.engine.trial import Trial

from bars_tf.config import running_seconds
from bars_tf.errors import Failure, InputError, one_line
from bars_tf.files import read_json, write_json
from bars_tf.report.run_files import number

OBJECTIVE = "val_accuracy"
SEED_DISTANCE = 1_000_003
MAX_STATE_BYTES = 2**28
MAX_DRAWS = 10_000  # for one proposal within the budget


class BudgetedOracle:
    """Mixin for an oracle whose values are `feasible`; it counts the `infeasible` proposals.

    No trial begins later than `seconds` after the first start, time between starts excluded; None is no limit.
    """

    def __init__(self, *, feasible: Callable[[Mapping[str, Any]], bool], seconds: float | None, **options: Any):
        super().__init__(objective=keras_tuner.Objective(OBJECTIVE, "max"), max_consecutive_failed_trials=10**9,
                         **options)
        self.feasible, self.limit = feasible, seconds
        self.infeasible, self._seconds, self._started = 0, 0.0, running_seconds()

    @property
    def seconds(self) -> float:
        """Time since the first start, without the time between starts."""
        return self._seconds + running_seconds() - self._started

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if self.limit is not None and self.seconds > self.limit:
            return {"status": "STOPPED"}
        proposal = super().populate_space(trial_id)
        values = proposal.get("values")
        if values and not self.feasible(values):
            # A Bayesian oracle would propose the same values again: a random proposal takes their place.
            self.infeasible += 1
            values = self._random_values()
            # Without values, all networks within the budget have been tried.
            proposal = {**proposal, "values": values} if values else {"status": "STOPPED"}
        return proposal

    def _random_values(self) -> dict[str, Any] | None:
        for draws in range(MAX_DRAWS):
            values = super()._random_values()
            if values is None or self.feasible(values):
                self.infeasible += draws
                return values
        if self.trials:
            return None  # all networks within the budget have been tried, or nearly so
        raise Failure(f"none of {MAX_DRAWS} random networks keeps the budget")

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "infeasible": self.infeasible, "seconds": self.seconds}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.infeasible, self._seconds = int(state["infeasible"]), float(state["seconds"])
        # keras-tuner takes a trial off this list after it saved its end, and would run it again.
        self.ongoing_trials = {name: t for name, t in self.ongoing_trials.items() if t.status == "RUNNING"}

    # keras-tuner writes its files in place, so that a kill leaves an empty one, and finds trials by a pattern, which
    # reads brackets in the path of a work directory as a choice of letters.
    def save(self) -> None:
        write_json(self._get_oracle_fname(), self.get_state())

    def _save_trial(self, trial: Trial) -> None:
        write_json(Path(self._get_trial_dir(trial.trial_id), "trial.json"), trial.get_state())

    def reload(self) -> None:
        """Reads the state and the trials of an earlier start. Raises: InputError naming a file that is damaged, is
        missing, or does not fit the others."""
        project, names = Path(self._project_dir), set(self.hyperparameters.values)
        file = state = Path(self._get_oracle_fname())
        try:
            for file in sorted(project.glob("trial_*/trial.json")):
                trial = Trial.from_state(read_json(file))
                if trial.status == "COMPLETED" and number(trial.score) is None:
                    raise ValueError(f"its score {trial.score!r} is no number")
                _require_names(names, trial.hyperparameters)
                self.trials[trial.trial_id] = trial
            file = state
            self.set_state(read_json(file, MAX_STATE_BYTES))
            _require_names(names, self.hyperparameters)
            if lost := {*self.start_order, *self.end_order} - set(self.trials):
                raise ValueError(f"it names trial {min(lost)}, whose trial.json is missing")
        except FileNotFoundError:
            raise InputError.of("workdir", project.parent, f"{file} is missing: put a copy of it there, or remove "
                                f"{project} to start the trials anew") from None
        except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
            reason = one_line(error).removeprefix(f"{file}: ")
            raise InputError.of("workdir", project.parent, f"{file} is damaged ({reason}): put a copy of it there, or "
                                f"remove {project} to start the trials anew") from None


def _require_names(names: set[str], hyperparameters: HyperParameters) -> None:
    if other := names ^ set(hyperparameters.values):
        raise ValueError(f"its hyperparameters are others, as {min(other)!r} shows")


class RandomSearch(BudgetedOracle, oracles.RandomSearchOracle):
    """Uniform draws of every hyperparameter."""


class BayesianOptimization(BudgetedOracle, oracles.BayesianOptimizationOracle):
    """Gaussian process over the hyperparameters; the first proposals are random."""


def make_oracle(tuner: str, hyperparameters: HyperParameters, *, trials: int, seed: int, **limits: Any
                ) -> BudgetedOracle:
    """The oracle of one of `settings.TUNERS`, with `feasible` and `seconds` of `BudgetedOracle` as limits."""
    # keras-tuner draws proposal n from seed + n: seeds near each other would shift the same draws. 0 means no seed.
    common = {"hyperparameters": hyperparameters, "seed": SEED_DISTANCE * (seed + 1) % 2**31, "max_trials": trials,
              **limits}
    if tuner == "random":
        return RandomSearch(**common)
    return BayesianOptimization(num_initial_points=max(3, min(10, trials // 2)), **common)
