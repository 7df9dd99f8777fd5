"""Runs a program of bars_tf by its name. A file of its own, because `python -m` would import from the working directory
first."""

import sys

from bars_tf import programs

sys.exit(getattr(programs, sys.argv.pop(1))())
