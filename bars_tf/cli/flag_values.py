"""Parsers of flags. Each raises a ValueError that says what the text must be, which absl's own parsers do not."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from typing import Any

from bars_tf.cost.budget import parse_overhead

Parse = Callable[[str], Any]


def overhead_text(text: str) -> str:
    """The value of `--max_overhead`, checked."""
    parse_overhead(text)
    return text


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


def text(value: str) -> str:
    """A text or a path: any but an empty one, or one with control characters, such as a line break."""
    if not value.strip():
        raise ValueError("must not be empty")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("must not contain control characters such as line breaks")
    return value


TEXT = text
COUNT = checked(int, lambda n: 1 <= n < 2**31, "must be a whole number of at least 1")
COUNT_OR_0 = checked(int, lambda n: 0 <= n < 2**31, "must be a whole number of at least 0")
POSITIVE = checked(float, lambda x: 0 < x < math.inf, "must be a number above 0")
POSITIVE_OR_0 = checked(float, lambda x: 0 <= x < math.inf, "must be a number of at least 0")
FRACTION = checked(float, lambda x: 0 < x < 1, "must lie between 0 and 1")
FRACTION_OR_ALL = checked(float, lambda x: 0 <= x <= 1, "must be from 0 to 1")
FRACTION_OR_0 = checked(float, lambda x: 0 <= x < 1, "must be at least 0 and below 1")
IMAGE_SIZE = checked(int, lambda n: n == 0 or 8 <= n <= 224, "must be 8 to 224, or 0 for the data set's own")


def names(text: str) -> tuple[str, ...]:
    return () if text.strip() in ("", "none") else tuple(part.strip() for part in text.split(","))
