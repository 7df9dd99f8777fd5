"""Errors that users read: one line each, with its parts as attributes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any


class FieldError(ValueError):
    """A field of an object, such as a search space or a budget, has a value that it cannot have.

    Attributes:
        field: name of the field.
        value: its value.
        remedy: what the value must be, or what is wrong with it.
    """

    # By these AutoGraph and Keras leave an error alone, around whose text they would write pages.
    ag_pass_through = _keras_call_info_injected = True

    def __init__(self, field: str, value: Any, remedy: str):
        super().__init__(field, value, remedy)
        self.field, self.value, self.remedy = field, value, remedy

    def __str__(self) -> str:
        return f"{self.field}={self.value!r}: {self.remedy}"


class InputError(ValueError):
    """A user's mistake: the message names the flag, the value and the remedy, in one line. Exit status 2.

    Attributes:
        flag, value, remedy: of errors made by `of`, the parts of the message; else None.
    """

    flag: str | None = None
    value: Any = None
    remedy: str | None = None

    @classmethod
    def of(cls, flag: str, value: Any, remedy: str) -> InputError:
        """The error of a flag with a wrong value."""
        error = cls(f"--{flag}={as_text(value)}: {remedy}")
        error.flag, error.value, error.remedy = flag, value, remedy
        return error


class Failure(RuntimeError):
    """A result cannot be had although the input is right: the message says why, in one line. Exit status 1."""


@contextlib.contextmanager
def blame(flag: str, value: Any) -> Iterator[None]:
    """Turns a ValueError or an OSError inside the block into an InputError that names the flag."""
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        where = f" ({error.filename})" if error.filename and str(error.filename) != str(value) else ""
        raise InputError.of(flag, value, (error.strerror or str(error)) + where) from None
    except ValueError as error:
        raise InputError.of(flag, value, str(error).removeprefix(f"{value}: ")) from None


@contextlib.contextmanager
def blame_field() -> Iterator[None]:
    """Turns a FieldError inside the block into an InputError that names the flag of the same name."""
    try:
        yield
    except FieldError as error:
        raise InputError.of(error.field, error.value, error.remedy) from None


def as_text(value: Any) -> str:
    """A value as it stands behind `--flag=`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ",".join(map(as_text, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def one_line(error: BaseException) -> str:
    """The first line of an error's text, without the stack and the names of nodes that TensorFlow adds."""
    text = re.sub(r"\{\{.*?\}\} ?|\[Op:\w+\]", "", str(getattr(error, "message", None) or error))
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[0].strip().rstrip(": ")[:200] if lines else type(error).__name__
