"""Errors that users read: one line each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


class InputError(ValueError):
    """A user's mistake: the message names the flag, the value and the remedy, in one line. Exit status 2."""

    @classmethod
    def of(cls, flag: str, value: Any, remedy: str) -> InputError:
        return cls(f"--{flag}={as_text(value)}: {remedy}")


class Failure(RuntimeError):
    """What was asked for cannot be had: the message says why, in one line. Exit status 1."""


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


def as_text(value: Any) -> str:
    """A value as it stands behind `--flag=`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ",".join(map(as_text, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
