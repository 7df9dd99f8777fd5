"""The networks of a comparison as data."""

from __future__ import annotations

from typing import NamedTuple

from bars_tf.cost.measures import Cost
from bars_tf.space.genotype import Genotype

SEARCHED, RANDOM, REFERENCE = "searched", "random", "reference"


class Contender(NamedTuple):
    """A network of a comparison, with a unique name and its exact cost.

    Its `kind` is `SEARCHED`, `RANDOM` or `REFERENCE` (hand-made). It is trained with `num_seeds` seeds; 0 if it equals
    another one that is trained. One that was searched has the `path` of its genotype file or work directory and, if
    known, the duration of its search. A hand-made one is a depth of the `baseline` of a name, and may have a `variant`
    with a longer stem, which is trained if this depth is the best.
    """

    name: str
    kind: str
    network: Genotype
    cost: Cost
    num_seeds: int
    search_seconds: float | None = None
    path: str | None = None
    baseline: str | None = None
    variant: Contender | None = None
