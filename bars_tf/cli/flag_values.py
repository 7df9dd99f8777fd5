"""From the text of a flag to its value. Each function raises a ValueError that says what the text must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from bars_tf.cost.budget_family import BUDGETS, Family

Parse = Callable[[str], Any]


def parse_quantity(text: str) -> float:
    """250k -> 250000.0; k, M and G are powers of 1000."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([kKmMgG]?)", text.strip())
    value = float(match[1]) * {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}[match[2].lower()] if match else 0.0
    if not 0 < value < math.inf:
        raise ValueError("must be a number above 0, in full or with k, M or G, such as 250k, 12.5M or 4000000")
    return value


def family(text: str) -> Family:
    """"bops:5M,10M" -> Family("bops", (5e6, 1e7)); without a measure they are OPs."""
    name, colon, numbers = text.rpartition(":")
    measure = BUDGETS.get(name if colon else "ops")
    limits = tuple(parse_quantity(part) for part in numbers.split(",")) if measure else ()
    if len(limits) < 2 or any(b <= a for a, b in zip(limits, limits[1:])):
        raise ValueError("must be two or more increasing numbers such as 300k,400k,600k, of OPs or of what stands "
                         "before them: bops:5M,10M, flops:..., params:..., size:..., peak:...")
    return Family(measure, limits)


def checked(convert: Parse, accepts: Callable[[Any], bool], remedy: str) -> Parse:
    def parse(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            raise ValueError(remedy) from None
        if not accepts(value):
            raise ValueError(remedy)
        return value

    return parse


def one_of(*known: str) -> Parse:
    return checked(str, known.__contains__, f"must be one of {', '.join(known)}")


def list_of(item: Parse, remedy: str) -> Parse:
    return checked(lambda text: tuple(item(part.strip()) for part in text.split(",")) if text.strip() else (),
                    bool, remedy)


def boolean(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise ValueError("must be true or false")
    return words[text.lower()]


TEXT = checked(str, lambda text: text.strip() and text.isprintable(), "must not be empty")
COUNT = checked(int, lambda n: 1 <= n < 2**31, "must be a whole number of at least 1")
COUNT_OR_0 = checked(int, lambda n: 0 <= n < 2**31, "must be a whole number of at least 0")
POSITIVE = checked(float, lambda x: 0 < x < math.inf, "must be a number above 0")
POSITIVE_OR_0 = checked(float, lambda x: 0 <= x < math.inf, "must be a number of at least 0")
PART = checked(float, lambda x: 0 < x < 1, "must lie between 0 and 1")
PART_OR_ALL = checked(float, lambda x: 0 <= x <= 1, "must be from 0 to 1")
PART_OR_0 = checked(float, lambda x: 0 <= x < 1, "must be at least 0 and below 1")
IMAGE_SIZE = checked(int, lambda n: n == 0 or 8 <= n <= 224, "must be 8 to 224, or 0 for the data set's own")


def names(text: str) -> tuple[str, ...]:
    return () if text.strip() in ("", "none") else tuple(part.strip() for part in text.split(","))
