"""The programs: flags in, work directories, exit status out."""

import os

# Before NumPy is imported, which fails at other values of these than its own.
for _name in ("NPY_PROMOTION_STATE", "NUMPY_MADVISE_HUGEPAGE"):
    os.environ.pop(_name, None)
