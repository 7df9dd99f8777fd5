"""Several budgets for one search: increasing limits of one measure."""

from __future__ import annotations

import dataclasses

from bars_tf.cost.tables import Budget
from bars_tf.errors import as_text

# The measures by their names in `--budgets` and `--budget_NAME`.
BUDGETS = {"ops": "ops", "bops": "bops", "flops": "flops", "params": "params", "size": "size_bytes",
           "peak": "peak_bytes"}


@dataclasses.dataclass(frozen=True)
class Family:
    """Increasing limits of one measure, for one network each."""

    measure: str
    limits: tuple[float, ...]

    def budgets(self, limits: Budget) -> dict[float, Budget]:
        """The budget of each network by its limit, increasing; `limits` holds for all of them."""
        return {value: dataclasses.replace(limits, **{self.measure: value}) for value in self.limits}

    def steering(self, limits: Budget) -> Budget:
        """The budget that steers the search: the geometric mean of the smallest and the largest limit (our choice)."""
        return dataclasses.replace(limits, **{self.measure: (self.limits[0] * self.limits[-1]) ** 0.5})

    def __str__(self) -> str:
        name = next(name for name, measure in BUDGETS.items() if measure == self.measure)
        return f"{name}:{as_text(self.limits)}"
