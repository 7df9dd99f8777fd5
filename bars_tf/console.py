"""Messages on stderr: lines, and on a terminal a progress line that is rewritten in place. None ends a run.

Our own, because tqdm writes carriage returns where there is no terminal, and fails where stderr is closed.
"""

import contextlib
import os
import sys

_open = False  # whether the cursor stands behind a line that will be rewritten


def prepare_streams() -> None:
    """Sees to standard streams that are closed, that do not wait until what is written fits in (as pipes of Node.js
    do: the rest would be lost), or whose encoding lacks letters: these are written as escapes."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # of a notebook, for example
            os.set_blocking(stream.fileno(), True)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _open_closed_streams() -> None:
    """Opens standard streams that were closed at the start on the null device.

    Otherwise the next file that is opened would get the number of the stream, and with it what others write there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null = open(os.devnull, mode)  # noqa: SIM115 - gets the lowest free number, which is that of the stream
            os.set_inheritable(null.fileno(), True)
            setattr(sys, name, null)


def rewrite(line: str) -> None:
    """Shows a line in place of the one shown before, or without a terminal as a line of its own.

    It is cut to the width of the terminal, because a wrapped line could not be rewritten.
    """
    global _open
    if not is_terminal():
        say(line)
        return
    columns = 0  # unknown
    with contextlib.suppress(OSError, ValueError, AttributeError):
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    _write(f"\r\033[K{line[:max(20, columns or 80) - 1]}")
    _open = True


def say(line: str) -> None:
    """Shows a line that stays, below the one that was being rewritten."""
    close()
    _write(f"{line}\n")


def close() -> None:
    """Ends the line that is being rewritten, if there is one."""
    global _open
    if _open:
        _write("\n")
        _open = False


def _write(text: str) -> None:
    """Writes to stderr. Where nobody reads it any more (`| head`, a terminal or a disk that is gone, a closed file),
    nothing later is written: a run goes on without messages, its `log.csv` has them."""
    try:
        if sys.stderr:  # closed, it is None
            sys.stderr.write(text)
            if hasattr(sys.stderr, "flush"):  # objects of notebooks and trackers may not have it
                sys.stderr.flush()
    except BlockingIOError:  # another process has set the terminal not to wait: only this text is cut
        pass
    except (OSError, ValueError):
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends


def is_terminal() -> bool:
    """Whether stderr is a terminal that can rewrite a line."""
    try:
        return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    except (AttributeError, ValueError):  # none, one that is closed, or one that does not know
        return False


def duration(seconds: float) -> str:
    """A duration in seconds as text: 42 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
