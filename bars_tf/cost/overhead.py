"""How much more than its backbone a network costs (NASB).

"Insignificant overhead" is a budget here (our reading of arXiv 2008.03515): a fraction of the backbone's operations,
bytes and memory, counted on the same space without any searched edge.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from bars_tf.cost.budget import OVERHEADS, Budget, parse_overhead
from bars_tf.cost.measures import Cost
from bars_tf.cost.tables import CostTables, cost_of
from bars_tf.space.backbones import backbone


def budget(given: Budget, overhead: Mapping[str, float] | str | None, tables: CostTables) -> Budget:
    """The limits that were given and those that the overhead sets, the lower one of each.

    The overhead is the fraction by which each measure may exceed that of the backbone, or the text of `--max_overhead`;
    a space without a backbone has none."""
    fractions = parse_overhead(overhead) if isinstance(overhead, str) else overhead
    limits: dict[str, Any] = given.limits()
    if tables.space.backbone and fractions:
        cost = cost_of(backbone(tables.space), tables)
        for name, fraction in fractions.items():
            # Rounded up by less than any layer costs: at 0 the backbone itself remains.
            limits[name] = min(limits.get(name, float("inf")), getattr(cost, name) * (1 + fraction) + 1e-3)
    return dataclasses.replace(given, **limits)


def overhead_of(cost: Cost, base: Cost) -> dict[str, float]:
    """The fractions by which a cost exceeds another, by measure."""
    return {name: getattr(cost, name) / getattr(base, name) - 1 for name in OVERHEADS.values()}
