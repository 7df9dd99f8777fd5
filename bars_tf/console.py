"""What people read on stderr while a program runs: lines, and on a terminal one line that is rewritten in place."""

from __future__ import annotations

import os
import sys

_open = False  # whether the cursor stands behind a line that will be rewritten


def rewrite(line: str) -> None:
    """Shows a line in the place of the one shown before, cut to the width of the terminal: a wrapped one could not be
    rewritten. Without a terminal it is a line like any other."""
    global _open
    if not is_terminal():
        say(line)
        return
    print(f"\r\033[K{line[:_columns() - 1]}", end="", file=sys.stderr, flush=True)
    _open = True


def say(line: str) -> None:
    """A line that stays, below the one that was being rewritten."""
    close()
    if sys.stderr:  # closed, it is None, which `print` takes for stdout
        print(line, file=sys.stderr, flush=True)


def close() -> None:
    """Ends the line that is being rewritten, if there is one."""
    global _open
    if _open:
        print(file=sys.stderr, flush=True)
        _open = False


def is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _columns() -> int:
    try:
        return max(20, os.get_terminal_size(sys.stderr.fileno()).columns)
    except (OSError, ValueError):
        return 80


def duration(seconds: float) -> str:
    """A duration as people write it: 42 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
