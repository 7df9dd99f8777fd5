"""Runs a program of bars_tf by its name. A file of its own, because `python -m` would import from the working directory
first."""

import sys

from bars_tf.cli import main as programs

if __name__ == "__main__":  # processes that a program starts import this file too
    sys.exit(getattr(programs, sys.argv.pop(1))())
