"""Files that are whole or not there: written beside their place, under one fixed name, and renamed into it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_beside(path: str | os.PathLike) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends well, and goes when it does not.

    What a killed process left there is overwritten by the next one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.tmp{path.suffix}")  # Keras goes by the suffix
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())  # else a power cut could leave the name without the content
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
