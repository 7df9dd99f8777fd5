"""Devices: how long each operation of a deployed network takes on them, from a file that describes the device.

    time = call_us + unit_ns / 1000 * work

with two constants for each kind of operation, and `Operation.work` its units of work. Operations and shapes that were
measured have their measured time instead. The time of a network is the sum over its operations.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bars_tf.cost.operation import KINDS, Operation
from bars_tf.errors import InputError
from bars_tf.files import read_json, write_json

FORMAT = "bars_tf.device/1"
SHIPPED = Path(__file__).parent / "devices"
MAX_US = 1e9  # of a constant or of a measured time
# Times are whole multiples of this many microseconds: sums of them are exact, and few values differ in a derivation.
GRID_US = 1 / 8
TEXTS = ("name", "description", "engine", "date", "source")
UNITS = ("call_us: microseconds of a call; unit_ns: nanoseconds of a unit of work, a multiply-accumulate of "
         "convolutions (binary ones in whole tiles) and dense layers, a pixel of a pooling's window, else an element")


class Constants(NamedTuple):
    """Microseconds of a call, and nanoseconds of a unit of work."""

    call_us: float
    unit_ns: float

    def time_us(self, operation: Operation) -> float:
        """Microseconds of an operation of this kind."""
        return self.call_us + 1e-3 * self.unit_ns * operation.work


@dataclasses.dataclass(frozen=True)
class Device:
    """A device, as its file describes it.

    Attributes:
        constants: of kinds of operations, by name.
        measured: microseconds of single operations, by their texts; they go before the constants.
        description, engine, date, source: for people: the device, version of the engine, when and by whom measured.
        threads: of the interpreter.
        origin: the file that it was read from, for messages.
    """

    name: str
    constants: tuple[tuple[str, Constants], ...]
    measured: tuple[tuple[str, float], ...] = ()
    description: str = ""
    engine: str = ""
    threads: int = 1
    date: str = ""
    source: str = ""
    origin: str = dataclasses.field(default="", compare=False)

    def time_us(self, operation: Operation) -> float:
        """The time of an operation in microseconds; raises InputError if the device does not say it."""
        time = self._measured.get(str(operation))
        if time is None:
            if operation.kind not in self._constants:
                raise InputError.of("device", self.origin or self.name, f"has no constants of {operation.kind}, which "
                                    f"networks of this space need ({operation})")
            time = self._constants[operation.kind].time_us(operation)
        return round(time / GRID_US) * GRID_US

    @functools.cached_property
    def _constants(self) -> dict[str, Constants]:
        return dict(self.constants)

    @functools.cached_property
    def _measured(self) -> dict[str, float]:
        return dict(self.measured)

    def to_dict(self) -> dict[str, Any]:
        """The content of the device's file."""
        return {"format": FORMAT, "units": UNITS, **{name: getattr(self, name) for name in TEXTS},
                "threads": self.threads, "constants": {kind: c._asdict() for kind, c in self.constants},
                "measured_us": dict(self.measured)}

    def save(self, path: str | os.PathLike) -> None:
        """Writes the device's file."""
        write_json(path, self.to_dict())

    @classmethod
    def from_dict(cls, values: Any) -> Device:
        """The device of the content of a file; raises ValueError that names a wrong key or value."""
        if not isinstance(values, Mapping) or values.get("format") != FORMAT:
            found = values.get("format") if isinstance(values, Mapping) else None
            raise ValueError(f"is no device file of the format {FORMAT}" + (f" but of {found}" if found else ""))
        known = ("format", "units", *TEXTS, "threads", "constants", "measured_us")
        for key in sorted(set(values).symmetric_difference(known) - {"units", "measured_us", *TEXTS[1:], "threads"}):
            raise ValueError(f"{'unknown' if key in values else 'missing'} key {key!r}")
        for key in TEXTS:
            _require(isinstance(values.get(key, ""), str), key, values.get(key), "must be a text")
        _require(bool(values["name"].strip()), "name", values["name"], "must not be empty")
        threads = values.get("threads", 1)
        _require(type(threads) is int and threads > 0, "threads", threads, "must be a whole number of at least 1")
        for key in ("constants", "measured_us"):
            _require(isinstance(values.get(key, {}), Mapping), key, values.get(key), "must be an object")
        constants = []
        for kind, given in values["constants"].items():
            _require(kind in KINDS, "constants", kind, f"must be of {', '.join(KINDS)}")
            _require(isinstance(given, Mapping) and set(given) == set(Constants._fields), f"constants of {kind}", given,
                     f"must be an object with {' and '.join(Constants._fields)}")
            for name, value in given.items():
                _require(_is_time(value, lambda x: x >= 0), f"{name} of {kind}", value,
                         "must be a number of at least 0")
            constants.append((kind, Constants(**{name: float(value) for name, value in given.items()})))
        _require(bool(constants), "constants", {}, "must have at least one kind of operation")
        for text, value in values.get("measured_us", {}).items():
            _require(_is_time(value, lambda x: x > 0), f"measured_us of {text}", value, "must be a number above 0")
        return cls(constants=tuple(constants), threads=threads,
                   measured=tuple((text, float(us)) for text, us in values.get("measured_us", {}).items()),
                   **{key: values.get(key, "") for key in TEXTS})


def _is_time(value: Any, accepts: Callable[[float], bool]) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value <= MAX_US and accepts(value)


def _require(holds: bool, key: str, value: Any, remedy: str) -> None:
    if not holds:
        raise ValueError(f"{key}={value!r}: {remedy}")


def shipped() -> list[str]:
    """The names of the devices of the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def load(name_or_path: str) -> Device:
    """The device of a name, or of a file NAME.json. Raises: ValueError that says what is wrong; OSError."""
    if name_or_path in shipped():
        return Device.from_dict(read_json(SHIPPED / f"{name_or_path}.json"))
    if not name_or_path.endswith(".json"):
        raise ValueError(f"must be one of {', '.join(shipped())}, or a file NAME.json, as bin/device writes it")
    return dataclasses.replace(Device.from_dict(read_json(name_or_path)), origin=name_or_path)
