"""Budgets: upper limits of costs, and how flags write them."""

import dataclasses
import math
import numbers
import re
from typing import Any

import numpy as np

from bars_tf.cost.device import Device
from bars_tf.cost.measures import LATENCY, LIMITED, MEASURES, PEAK, Cost
from bars_tf.errors import FieldError, as_text

# A network that uses a smaller fraction of its budget wastes it (our choice).
NEARLY_ALL = 0.9
# The names of the measures in flags.
BUDGETS = {"ops": "ops", "bops": "bops", "flops": "flops", "params": "params", "size": "size_bytes",
           "elementwise": "elementwise_ops", "latency": LATENCY, "peak": PEAK}
# The measures that an overhead limits, by their names in flags.
OVERHEADS = {name: BUDGETS[name] for name in ("ops", "bops", "size", "elementwise", "peak")}


@dataclasses.dataclass(frozen=True)
class Budget:
    """Upper limits, None where there is none: operations of one image (multiply-accumulates, or element-wise ones),
    parameters in numbers, sizes and memory in bytes, and the microseconds of one image on a device.

    Raises: FieldError if a limit is not above 0, or one of time has no device."""

    bops: float | None = None
    flops: float | None = None
    ops: float | None = None
    params: float | None = None
    size_bytes: float | None = None
    elementwise_ops: float | None = None
    latency_us: float | None = None
    peak_bytes: float | None = None
    device: Device | None = None

    def __post_init__(self):
        if self.latency_us is not None and not self.device:
            raise FieldError(LATENCY, self.latency_us, "needs a device")
        for name, limit in self.limits().items():
            if isinstance(limit, bool) or not isinstance(limit, numbers.Real) or not 0 < limit < math.inf:
                raise FieldError(name, limit, "must be a number above 0, such as 250e3")

    def limits(self) -> dict[str, float]:
        """The limits that there are, by measure."""
        return {name: limit for name in LIMITED if (limit := getattr(self, name)) is not None}

    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """The limits of sums over layers: weights of the fields of `Cost` [limits, fields], and the limits [limits]."""
        limits = {name: limit for name, limit in self.limits().items() if name != PEAK}
        weights = np.array([MEASURES[name] for name in limits], dtype=np.float64).reshape(-1, len(Cost._fields))
        return weights, np.array(list(limits.values()), dtype=np.float64)

    def allows(self, cost: Cost) -> bool:
        """Whether a cost keeps all limits."""
        return not self.exceeded(cost)

    def exceeded(self, cost: Cost) -> dict[str, float]:
        """The limits that a cost is above, by measure."""
        return {name: limit for name, limit in self.limits().items() if getattr(cost, name) > limit}

    def fractions(self, cost: Cost) -> dict[str, float]:
        """The fraction of each limit that a cost uses; memory, on which most choices have no effect, counts where it is
        the only limit, or exceeded."""
        found = {name: getattr(cost, name) / limit for name, limit in self.limits().items()}
        if len(found) > 1 and found.get(PEAK, 2) <= 1:
            del found[PEAK]
        return found

    def used(self, cost: Cost) -> float:
        """The largest of these fractions; 1 without limits."""
        return max(self.fractions(cost).values(), default=1.0)


@dataclasses.dataclass(frozen=True)
class Family:
    """Increasing limits of one measure, for one network each."""

    measure: str
    limits: tuple[float, ...]

    def budgets(self, limits: Budget) -> dict[float, Budget]:
        """The budget of each network by its limit, increasing; `limits` holds for all of them."""
        return {value: self._with(limits, value) for value in self.limits}

    def largest(self, limits: Budget) -> Budget:
        """The budget of the largest network."""
        return self._with(limits, self.limits[-1])

    def steering(self, limits: Budget) -> Budget:
        """The budget that steers the search: the geometric mean of the smallest and the largest limit (our choice)."""
        return self._with(limits, (self.limits[0] * self.limits[-1]) ** 0.5)

    def _with(self, limits: Budget, value: float) -> Budget:
        changes: dict[str, Any] = {self.measure: value}
        return dataclasses.replace(limits, **changes)

    def __str__(self) -> str:
        name = next(name for name, measure in BUDGETS.items() if measure == self.measure)
        return f"{name}:{as_text(self.limits)}"


def parse_quantity(text: str) -> float:
    """250k -> 250000.0; k, M and G are powers of 1000. Raises ValueError for all but a number above 0."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([kKmMgG]?)", text.strip())
    value = float(match[1]) * {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}[match[2].lower()] if match else 0.0
    if not 0 < value < math.inf:
        raise ValueError("must be a number above 0, in full or with k, M or G, such as 250k, 12.5M or 4000000")
    return value


def parse_time(text: str) -> float:
    """12ms -> 12000.0 microseconds; s, ms and us, or without a unit microseconds. Raises ValueError for all but a time
    above 0."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(s|ms|us|µs|)", text.strip())
    value = float(match[1]) * {"s": 1e6, "ms": 1e3}.get(match[2], 1) if match else 0.0
    if not 0 < value < math.inf:
        raise ValueError("must be a time above 0 such as 12ms, 800us or 0.1s")
    return value


def parse_family(text: str) -> Family:
    """"bops:5M,10M" -> Family("bops", (5e6, 1e7)); without a measure the limits are of OPs.

    Raises: ValueError for all but increasing limits."""
    name, colon, numbers = text.rpartition(":")
    measure = BUDGETS.get(name if colon else "ops")
    parse = parse_time if measure == LATENCY else parse_quantity
    limits = tuple(parse(number) for number in numbers.split(",")) if measure else ()
    if measure is None or len(limits) < 2 or any(b <= a for a, b in zip(limits, limits[1:])):
        raise ValueError("must be two or more increasing numbers such as 300k,400k,600k, of OPs or of the measure "
                         "before them: bops:5M,10M, flops:..., params:..., size:..., elementwise:..., "
                         "latency:8ms,12ms, peak:...")
    return Family(measure, limits)


def parse_overhead(text: str) -> dict[str, float] | None:
    """"0.1" -> a tenth of each of `OVERHEADS`; "bops:0.2,size:0.1" -> those alone; "none" -> None.

    Raises: ValueError for all but such fractions."""
    found = {}
    for item in [] if text == "none" else text.split(","):
        match = re.fullmatch(r"(?:(\w+):)?(\d+(?:\.\d*)?|\.\d+)", item.strip())
        if not match or (match[1] or "ops") not in OVERHEADS:
            raise ValueError("must be a number of at least 0 such as 0.1, some of "
                             f"{', '.join(f'{name}:0.1' for name in OVERHEADS)}, or none")
        for name in [match[1]] if match[1] else OVERHEADS:
            found[OVERHEADS[name]] = float(match[2])
    return found or None
