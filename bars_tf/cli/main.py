"""The programs, as `bin/*` and the console scripts call them: flags in, exit status out.

0: done. 1: failed. 2: wrong flags or wrong input. Each error is one line; `--verbosity=1` shows the traceback.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence

from bars_tf import console, log_filter
from bars_tf.cli import command_line
from bars_tf.cli.settings import Settings
from bars_tf.errors import Failure, InputError

HELP = ("--help", "-help", "-h", "-?", "--helpfull", "--helpshort")


_MODULES = {
    "search": "cli.search", "train": "cli.train", "evaluate": "cli.evaluate",
    "summary": "cli.summary", "bench": "cli.bench", "report": "cli.report", "export": "cli.export",
    "runs": "cli.runs", "tune": "cli.tune", "compare": "cli.compare",
}


def search() -> int:
    return run("search", lambda settings: _main("search", settings))


def train() -> int:
    return run("train", lambda settings: _main("train", settings))


def evaluate() -> int:
    return run("evaluate", lambda settings: _main("evaluate", settings))


def summary() -> int:
    return run("summary", lambda settings: _main("summary", settings))


def bench() -> int:
    return run("bench", lambda settings: _main("bench", settings))


def report() -> int:
    return run("report", lambda settings: _main("report", settings))


def export() -> int:
    return run("export", lambda settings: _main("export", settings))


def runs() -> int:
    return run("runs", lambda settings: _main("runs", settings))


def tune() -> int:
    return run("tune", lambda settings: _main("tune", settings))


def compare() -> int:
    return run("compare", lambda settings: _main("compare", settings))


def _main(module: str, settings: Settings) -> int:
    # Imported late: TensorFlow comes with it, and neither --help nor a wrong flag should wait for that.
    return importlib.import_module(f"bars_tf.{_MODULES[module]}").main(settings)


def run(program: str, main: Callable[[Settings], int | None], arguments: Sequence[str] | None = None) -> int:
    """Parses flags, calls `main` with the settings, and turns what it raises into one line and an exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: in one line
    console.open_closed_streams()
    os.environ["MPLBACKEND"] = "agg"  # figures go to files, whatever the notebook that this was started from chooses
    try:
        if set(arguments) & set(HELP):
            print(command_line.help_text(program))
            return 0
        settings = command_line.parse(program, arguments)
        verbose = settings.values["verbosity"] > 0
        _set_verbosity(program, verbose)
        status = main(settings) or 0
        sys.stdout.flush()
        return status
    except InputError as error:
        return _fail(program, error, str(error), 2, verbose)
    except KeyboardInterrupt as error:
        saved = f", {error}" if str(error) else ""
        again = "; the same command resumes" if program in ("search", "train", "tune", "compare") else ""
        return _fail(program, error, f"interrupted{saved}{again}", 130, verbose)
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _fail(program, error, (error.strerror or str(error)) + where, 1, verbose)
    except MemoryError as error:
        return _fail(program, error, f"out of memory, a smaller batch needs less: {error}", 1, verbose)
    except (Failure, FloatingPointError) as error:
        return _fail(program, error, str(error), 1, verbose)
    except Exception as error:  # noqa: BLE001 - shown as a line; with a traceback on demand
        hint = "" if verbose else " (--verbosity=1 shows the traceback)"
        return _fail(program, error, f"{type(error).__name__}: {error}{hint}", 1, verbose)


def _fail(program: str, error: BaseException, message: str, status: int, verbose: bool) -> int:
    console.close()
    if verbose:
        traceback.print_exception(error)
    message = " ".join(message.split())
    if len(message) > 1000:  # TensorFlow's messages can carry a whole graph
        message = f"{message[:500]} ... {message[-400:]}"
    print(f"{program}: {message}", file=sys.stderr)
    return status


def _set_verbosity(program: str, verbose: bool) -> None:
    if verbose:
        os.environ["BARS_VERBOSITY"] = "1"
        return
    log_filter.filter_stderr()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Warnings are for users if they are the project's own.
    warnings.simplefilter("ignore")
    warnings.filterwarnings("always", module=r"bars_tf(\.|$)")
    warnings.filterwarnings("ignore", message="You are saving your model as an HDF5 file")
    warnings.showwarning = lambda message, *_, **__: console.say(f"{program}: warning: {message}")
