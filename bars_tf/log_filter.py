"""Keeps the messages of TensorFlow's C++ side from the screen. They are written to file descriptor 2 whatever the log
level: registrations of plugins while it is imported, devices and compilers later."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator

# Information, warnings and errors of the log; an error that matters reaches Python as an exception. Fatal ones pass.
_NOISE = re.compile(
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |"
    rb"[IWE]\d{4} \d\d:\d\d:\S+ +\d+ \S+:\d+\] |"
    rb"WARNING: All log messages before absl::InitializeLog\(\)|"
    rb"To enable the following instructions: ")


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Holds back what is written to file descriptor 2, and shows it if an exception leaves the block."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        screen = os.dup(2)
    except OSError:  # closed, as in some services: nothing to keep clean
        yield
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(screen, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


def filter_stderr() -> None:
    """For the rest of this process: Python's own `sys.stderr` stays, other writers pass a filter.

    The filter is a process, so that the last words of one that crashes come through.
    """
    try:
        if sys.stderr.fileno() != 2:  # somebody else has arranged it already
            return
        screen = os.dup(2)
    except (AttributeError, OSError, ValueError):
        return
    child = subprocess.Popen([sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, stdout=screen,
                             stderr=subprocess.DEVNULL, start_new_session=True)
    sys.stderr.flush()
    os.dup2(child.stdin.fileno(), 2)
    child.stdin.close()
    sys.stderr = open(screen, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")  # noqa: SIM115


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        if not _NOISE.match(line):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
