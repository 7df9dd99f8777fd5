"""Settings of a comparison and of a tuner."""

import dataclasses

from bars_tf.errors import InputError

TUNED = ("training", "architecture")
TUNERS = ("random", "bayesian")
# The baselines by name, see `compare.baselines`, and the most blocks of a stage.
BASELINES, MOST_BLOCKS = ("resnet", "bireal", "quicknet", "bars_uniform", "backbone", "widened"), 6
USUAL_BLOCKS = 2  # at small budgets


@dataclasses.dataclass(frozen=True)
class ComparisonSettings:
    """Which networks are compared, and how often each is trained.

    `genotypes` are paths of genotype files or of work directories of searches, `references` names of hand-made
    baselines (`compare.baselines`). `repeat_random` of the random networks are trained with a second seed;
    `train_seeds` is the number of trainings of each searched network, each baseline and the best random network.

    Raises: InputError if there is no baseline, or more random networks are repeated than there are.
    """

    genotypes: tuple[str, ...] = ()
    num_random: int = 24
    repeat_random: int = 0
    references: tuple[str, ...] = ()
    train_seeds: int = 2

    def __post_init__(self):
        if not self.num_random and not self.references:
            raise InputError.of("num_random", 0, "leaves nothing to compare with: ask for random networks or for "
                                "--references")
        if self.num_random and self.repeat_random > self.num_random:
            raise InputError.of("repeat_random", self.repeat_random, f"must be at most --num_random={self.num_random}")


@dataclasses.dataclass(frozen=True)
class TuningSettings:
    """Subject, algorithm and limits of a tuner. Raises: InputError if both limits of the time are given."""

    what: str | None = None  # one of `TUNED`: settings of the training of a genotype, or networks of a search space
    tuner: str = "bayesian"
    max_trials: int = 20
    trial_epochs: int = 40  # training epochs of a trial
    tune_minutes: float = 0.0  # after which no trial begins; 0 for no limit
    as_long_as: str | None = None  # work directory of a search whose duration is that limit

    def __post_init__(self):
        if self.as_long_as and self.tune_minutes:
            raise InputError.of("as_long_as", self.as_long_as, "takes the place of --tune_minutes: give one of them")
