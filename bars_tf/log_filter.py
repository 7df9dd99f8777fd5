"""Keeps log messages of TensorFlow's C++ side off the terminal.

They are written to file descriptor 2 whatever the log level: registrations of plugins during the import, devices and
compilers later.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator

# Information, warnings and errors of the log; an error that matters reaches Python as an exception. Fatal ones pass.
_LOG_LINE = re.compile(
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |"
    rb"[IWE]\d{4} \d\d:\d\d:\S+ +\d+ \S+:\d+\] |"
    rb"WARNING: All log messages before absl::InitializeLog\(\)|"
    rb"To enable the following instructions: ")


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Holds back everything written to file descriptor 2, and shows it if an exception leaves the block."""
    with contextlib.suppress(AttributeError, ValueError):  # an object of a notebook's, closed or absent
        sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # closed, as in some services: nothing to keep clean
        yield
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def filter_stderr() -> None:
    """Filters log messages out of file descriptor 2 until this process ends; Python's own `sys.stderr` is not filtered.

    The filter is a process of its own, so that the last messages of a crash get through.
    """
    try:
        if sys.stderr.fileno() != 2:  # redirected already, by pytest for example
            return
        stderr = os.dup(2)
    except (AttributeError, OSError, ValueError):
        return
    try:
        child = subprocess.Popen([sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, stdout=stderr,
                                 stderr=subprocess.DEVNULL, start_new_session=True)
    except OSError:  # the user may have no more processes: then without a filter
        os.close(stderr)
        return
    sys.stderr.flush()
    os.dup2(child.stdin.fileno(), 2)
    child.stdin.close()
    sys.stderr = open(stderr, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")  # noqa: SIM115


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        if not _LOG_LINE.match(line):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
