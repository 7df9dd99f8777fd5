"""The programs, as `bin/*` and the console scripts call them: flags in, exit status out.

0: done. 1: failed. 2: wrong flags or wrong input. Each error is one line; `--verbosity=1` shows the traceback.
"""

import functools
import importlib
import logging
import os
import select
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
from bars_tf.config import STOP_SIGNALS, stop_signals
from bars_tf.errors import Failure, InputError

# A run does not depend on what the user has set for others: the backend of a notebook (figures go to files), and
# `~/.keras/keras.json`, which may ask for channels first, another float type or epsilon, or be damaged.
# Nor does HDF5 lock its files, which fails where a file system has no locks: that of the work directory guards all.
FOREIGN = {"MPLBACKEND": "agg", "KERAS_HOME": os.devnull, "KERAS_BACKEND": "tensorflow", "AUTOGRAPH_VERBOSITY": "0",
           "HDF5_USE_FILE_LOCKING": "FALSE"}
# Beginnings of variables that are not read: TensorFlow Datasets fails at wrong values (its bars are not shown), HDF5
# with a segmentation fault; XLA, as the default of all functions, does not compile those that read a data set.
UNREAD = ("TQDM_", "TFDS_RETRY_", "HDF5_DRIVER", "TF_FUNCTION_JIT_COMPILE_DEFAULT")
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # TensorFlow aborts at negative numbers
HELP = ("--help", "-help", "-h", "-?", "--helpfull", "--helpshort")


@stop_signals(signal.default_int_handler)  # all end like Ctrl-C: in one line
def run(program: str, main: Callable[[Settings], None] | None = None, arguments: Sequence[str] | None = None) -> int:
    """Runs a program with arguments, by default those of this process; turns what it raises into one line and an exit
    status. `main` gets the settings; None: that of the module `bars_tf.cli.PROGRAM`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = False
    console.prepare_streams()
    os.environ |= FOREIGN
    for name in [name for name, value in os.environ.items()
                 if name.startswith(UNREAD) or name in THREADS and value.strip().startswith("-")]:
        del os.environ[name]
    try:
        # Whoever started this process may have blocked them for it, as servers do for all that they start.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        if set(arguments) & set(HELP):
            print(command_line.help_text(program))
            return 0
        settings = command_line.parse(program, arguments)
        verbose = settings.values["verbosity"] > 0
        _set_verbosity(program, verbose)
        if settings.run.mlflow and not find_spec("mlflow"):
            raise InputError.of("mlflow", True, "is not installed; programs of bin/ install it where the flag stands "
                                "on their command line, else: pip install '.[mlflow]'")
        # Imported late: TensorFlow comes with it, and neither --help nor a wrong flag should wait for that.
        main = main or importlib.import_module(f"bars_tf.cli.{program}").main
        if "matplotlib" in sys.modules:
            sys.modules["matplotlib"].rcdefaults()  # whatever a matplotlibrc says, such as to typeset by LaTeX
        main(settings)
        sys.stdout.flush()
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - shown as a line; with a traceback on demand
        if isinstance(error, BrokenPipeError) and _reader_has_gone():
            return 0
        if verbose:
            console.close()
            traceback.print_exception(error)
        message = " ".join(_message(error, program, verbose).split())
        if len(message) > 1000:  # TensorFlow's messages can carry a whole graph
            message = f"{message[:500]} ... {message[-400:]}"
        console.say(f"{program}: {message}")
        try:
            sys.stdout.flush()
        except OSError:  # what is left of the output cannot be written: from Python 3.13 on its exit would try again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 130 if isinstance(error, KeyboardInterrupt) else 2 if isinstance(error, InputError) else 1


def _reader_has_gone() -> bool:
    """Whether nobody reads the result any more, as after `| head`; the files are there. Sees to it that Python does not
    complain at its exit."""
    output, poll = sys.stdout.fileno(), select.poll()
    poll.register(output, 0)
    gone = any(event & select.POLLERR for _, event in poll.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return gone


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
    # Warnings are for users if they are the project's own.
    warnings.simplefilter("ignore")
    warnings.filterwarnings("always", module=r"bars_tf(\.|$)")
    warnings.filterwarnings("ignore", message="You are saving your model as an HDF5 file")
    warnings.showwarning = lambda message, *_, **__: console.say(f"{program}: warning: {message}")
    log_filter.filter_stderr()
    for library in ("tensorflow", "matplotlib"):
        logging.getLogger(library).setLevel(logging.ERROR)


def _process(program: str) -> int:
    """Runs a program as the only work of its process."""
    status = run(program)
    if status == 130:  # the same signal, sent once more, is not to disturb the end
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    return status


# `main.search` and so on, for console scripts.
globals().update({name: functools.partial(_process, name) for name in PROGRAMS})
