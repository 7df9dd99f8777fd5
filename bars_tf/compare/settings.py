"""Settings of a comparison."""

from __future__ import annotations

import dataclasses

from bars_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class ComparisonSettings:
    """Which networks are compared, and how often each is trained.

    Attributes:
        genotypes: paths of the searched networks: genotype files or work directories of searches.
        num_random: number of random networks.
        repeat_random: number of random networks that are trained with a second seed.
        references: names of the hand-made baselines (`compare.baselines`).
        train_seeds: trainings of each searched network, each hand-made baseline and the best random network.

    Raises:
        InputError: there is no baseline, or more random networks are repeated than there are.
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
