"""keras-tuner's oracles, with what they lack here: proposals over the budget are skipped and counted, time is limited
and counted over all starts, and what was found is the same whether one process or several run the trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner
from keras_tuner import HyperParameters
from keras_tuner.oracles import BayesianOptimizationOracle, HyperbandOracle, RandomSearchOracle

OBJECTIVE = "val_accuracy"
SEED_DISTANCE = 1_000_003
MAX_DRAWS = 10_000  # for one proposal within the budget


class Limited:
    """Mixed into an oracle.

    Args:
        feasible: whether values may be tried.
        seconds: no trial begins after so many, those of earlier starts included; None: no limit.
        trials: how many there may be.
    """

    def __init__(self, *, feasible: Callable[[Mapping[str, Any]], bool], seconds: float | None, trials: int,
                 **options: Any):
        super().__init__(objective=keras_tuner.Objective(OBJECTIVE, "max"), max_consecutive_failed_trials=10**9,
                         **options)
        self.feasible, self.limit, self.trials_limit = feasible, seconds, trials
        self.infeasible, self._seconds, self._started = 0, 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since the search began, without that between starts."""
        return self._seconds + time.monotonic() - self._started

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if len(self.trials) >= self.trials_limit or (self.limit is not None and self.seconds > self.limit):
            return {"status": "STOPPED"}
        proposal = super().populate_space(trial_id)
        values = proposal.get("values")
        if values and not self.feasible(values):
            # Of a Bayesian oracle, which would propose the same again: a random one stands in.
            self.infeasible += 1
            proposal = {**proposal, "values": self._random_values()}
        return proposal

    def _random_values(self) -> dict[str, Any] | None:
        for _ in range(MAX_DRAWS):
            values = super()._random_values()
            if values is None or self.feasible(values):
                return values
            self.infeasible += 1
        raise keras_tuner.errors.FatalError(f"none of {MAX_DRAWS} random networks keeps the budget")

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "infeasible": self.infeasible, "seconds": self.seconds}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.infeasible, self._seconds = state["infeasible"], state["seconds"]


class Random(Limited, RandomSearchOracle):
    """Draws every choice uniformly."""


class Bayesian(Limited, BayesianOptimizationOracle):
    """Gaussian process; the first draws are random."""


class Hyperband(Limited, HyperbandOracle):
    """Successive halving; a trial that is promoted is trained anew, for as many epochs as its round has."""


def make(name: str, hyperparameters: HyperParameters, *, trials: int, epochs: int, seed: int, **limits: Any
         ) -> Limited:
    """The oracle of that name (`flags.TUNERS`), for trials of up to `epochs` epochs."""
    # keras-tuner draws number n from the seed + n: near seeds would give the same draws, shifted. It takes 0 for none.
    common = {"hyperparameters": hyperparameters, "seed": SEED_DISTANCE * (seed + 1) % 2**31, "trials": trials,
              **limits}
    if name == "random":
        return Random(max_trials=trials, **common)
    if name == "bayesian":
        return Bayesian(max_trials=trials, num_initial_points=max(3, min(10, trials // 2)), **common)
    return Hyperband(max_epochs=epochs, hyperband_iterations=trials, **common)
