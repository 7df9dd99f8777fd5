"""The networks of a comparison as data."""

from __future__ import annotations

from typing import NamedTuple

from bars_tf.cost.measures import Cost
from bars_tf.space.genotype import Genotype

SEARCHED, RANDOM, REFERENCE = "searched", "random", "reference"


class Contender(NamedTuple):
    """A network of a comparison.

    Attributes:
        name: unique name.
        kind: `SEARCHED`, `RANDOM` or `REFERENCE` (hand-made).
        network: its genotype.
        cost: its exact cost.
        num_seeds: number of trainings, each with another seed.
        search_seconds: duration of the search that found it, if known.
        path: path of the genotype file or work directory that it is from, if any.
    """

    name: str
    kind: str
    network: Genotype
    cost: Cost
    num_seeds: int
    search_seconds: float | None = None
    path: str | None = None
