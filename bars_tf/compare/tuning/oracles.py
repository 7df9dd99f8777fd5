"""Oracles of keras-tuner that skip and count proposals over the budget, and stop after a time over all starts.

The results do not depend on the number of processes that run the trials.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner
from keras_tuner import HyperParameters, oracles

OBJECTIVE = "val_accuracy"
SEED_DISTANCE = 1_000_003
MAX_DRAWS = 10_000  # for one proposal within the budget


class BudgetedOracle:
    """Mixin for an oracle whose values are `feasible`; it counts the `infeasible` proposals.

    No trial begins later than `seconds` after the first start, time between starts excluded; None is no limit.
    """

    def __init__(self, *, feasible: Callable[[Mapping[str, Any]], bool], seconds: float | None, **options: Any):
        super().__init__(objective=keras_tuner.Objective(OBJECTIVE, "max"), max_consecutive_failed_trials=10**9,
                         **options)
        self.feasible, self.limit = feasible, seconds
        self.infeasible, self._seconds, self._started = 0, 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since the first start, without the time between starts."""
        return self._seconds + time.monotonic() - self._started

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if self.limit is not None and self.seconds > self.limit:
            return {"status": "STOPPED"}
        proposal = super().populate_space(trial_id)
        values = proposal.get("values")
        if values and not self.feasible(values):
            # A Bayesian oracle would propose the same values again: a random proposal takes their place.
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
