"""`python -m bars_tf PROGRAM ...` runs a program as `bin/PROGRAM` does."""

import sys

from bars_tf.cli import main
from bars_tf.cli.flags import PROGRAMS

if __name__ == "__main__":  # processes that a program starts import this file too
    if sys.argv[1:2] and sys.argv[1] in PROGRAMS:
        sys.exit(getattr(main, sys.argv.pop(1))())
    print(f"usage: python -m bars_tf {{{','.join(PROGRAMS)}}} [--help] [FLAGS]", file=sys.stderr)
    sys.exit(2)
