"""Settings of a tuner."""

import dataclasses

from bars_tf.errors import InputError

TUNED = ("training", "architecture")
TUNERS = ("random", "bayesian", "hyperband")


@dataclasses.dataclass(frozen=True)
class TuningSettings:
    """Subject, algorithm and limits of a tuner. Raises: InputError if both limits of the time are given."""

    what: str | None = None  # one of `TUNED`: settings of the training of a genotype, or networks of a search space
    tuner: str = "bayesian"
    max_trials: int = 20
    trial_epochs: int = 40  # training epochs of a trial; of Hyperband, the most of any trial
    tune_minutes: float = 0.0  # after which no trial begins; 0 for no limit
    as_long_as: str | None = None  # work directory of a search whose duration is that limit

    def __post_init__(self):
        if self.as_long_as and self.tune_minutes:
            raise InputError.of("as_long_as", self.as_long_as, "takes the place of --tune_minutes: give one of them")
