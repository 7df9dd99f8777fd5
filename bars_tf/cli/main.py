"""The programs, as `bin/*` and the console scripts call them: flags in, exit status out.

0: done. 1: failed. 2: wrong flags or wrong input. Each error is one line; `--verbosity=1` shows the traceback.
"""

import functools
import importlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from bars_tf import console, log_filter
from bars_tf.cli import command_line
from bars_tf.cli.flags import PROGRAMS
from bars_tf.cli.settings import Settings
from bars_tf.errors import Failure, InputError

HELP = ("--help", "-help", "-h", "-?", "--helpfull", "--helpshort")


def run(program: str, main: Callable[[Settings], None] | None = None, arguments: Sequence[str] | None = None) -> int:
    """Runs a program with arguments, by default those of this process; turns what it raises into one line and an exit
    status. `main` gets the settings; None: that of the module `bars_tf.cli.PROGRAM`."""
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
        if settings.run.mlflow and not find_spec("mlflow"):
            raise InputError.of("mlflow", True, "needs the extra mlflow: BARS_EXTRAS=mlflow before a program of bin/, "
                                "or pip install '.[mlflow]'")
        # Imported late: TensorFlow comes with it, and neither --help nor a wrong flag should wait for that.
        main = main or importlib.import_module(f"bars_tf.cli.{program}").main
        main(settings)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - shown as a line; with a traceback on demand
        console.close()
        if verbose:
            traceback.print_exception(error)
        message = " ".join(_message(error, program, verbose).split())
        if len(message) > 1000:  # TensorFlow's messages can carry a whole graph
            message = f"{message[:500]} ... {message[-400:]}"
        print(f"{program}: {message}", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 2 if isinstance(error, InputError) else 1


def _message(error: BaseException, program: str, verbose: bool) -> str:
    if isinstance(error, (InputError, Failure, FloatingPointError)):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        again = "; the same command resumes" if program in ("search", "train", "tune", "compare") else ""
        return ", ".join(filter(None, ("interrupted", str(error)))) + again
    if isinstance(error, OSError):
        return (error.strerror or str(error)) + (f": {error.filename}" if error.filename else "")
    if isinstance(error, MemoryError):
        return f"out of memory, a smaller batch needs less: {error}"
    return f"{type(error).__name__}: {error}" + ("" if verbose else " (--verbosity=1 shows the traceback)")


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


# `main.search` and so on, for console scripts.
globals().update({name: functools.partial(run, name) for name in PROGRAMS})
