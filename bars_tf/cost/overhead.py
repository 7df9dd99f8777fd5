"""What a binarized backbone costs, and how much more a network found for it may cost (NASB).

"Insignificant overhead" is a budget here (our reading): a share of the backbone's operations and bytes, counted on the
same space without any searched edge.
"""

from __future__ import annotations

import re

from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import Budget, Cost, CostTables
from bars_tf.space.backbones import backbone

# What `--max_overhead=0.1` limits, and the names that it is limited under alone.
MEASURES = {"ops": "ops", "bops": "bops", "size": "size_bytes"}
NONE = "none"


def parse(text: str) -> str:
    """The value of `--max_overhead`, checked: a share for all of `MEASURES`, `MEASURE:SHARE` for some, or "none".

    Raises: ValueError telling what it may be.
    """
    _ = shares(text)
    return text


def shares(text: str) -> dict[str, float]:
    """The share that each measure of `complexity.MEASURES` may exceed the backbone's by."""
    found = {}
    for part in [] if text == NONE else text.split(","):
        match = re.fullmatch(r"(?:(\w+):)?(\d+(?:\.\d*)?|\.\d+)", part.strip())
        if not match or (match[1] or "ops") not in MEASURES:
            raise ValueError("must be a number of at least 0 such as 0.1, some of "
                             f"{', '.join(f'{name}:0.1' for name in MEASURES)}, or none")
        for name in [match[1]] if match[1] else MEASURES:
            found[MEASURES[name]] = float(match[2])
    return found


def budget(given: Budget, overhead: str | None, tables: CostTables) -> Budget:
    """The limits that were given and those that the overhead sets, the lower one of each."""
    limits = given.limits()
    if tables.space.backbone and overhead:
        cost = complexity.cost(backbone(tables.space), tables)
        for name, share in shares(overhead).items():
            # Rounded up by less than any part of a network costs: 0 leaves the backbone itself.
            limits[name] = min(limits.get(name, float("inf")), getattr(cost, name) * (1 + share) + 1e-3)
    return Budget(**limits)


def of(cost: Cost, base: Cost) -> dict[str, float]:
    """By which share a cost exceeds another, by measure."""
    return {name: getattr(cost, name) / getattr(base, name) - 1 for name in MEASURES.values()}
