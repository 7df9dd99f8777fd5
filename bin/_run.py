"""Runs a program of bars_tf by its name. A file of its own, because `python -m` would import from the working directory
first."""

import signal
import sys

if __name__ == "__main__":  # processes that a program starts import this file too
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports: no trace
    from bars_tf.cli import main as programs

    sys.exit(getattr(programs, sys.argv.pop(1))())
