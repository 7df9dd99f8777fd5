"""The programs: flags in, work directories, exit status out."""

import os

# Before NumPy is imported, which fails at other values of these than its own, and at features of another processor.
for _name in ("NPY_PROMOTION_STATE", "NUMPY_MADVISE_HUGEPAGE", "NPY_ENABLE_CPU_FEATURES"):
    os.environ.pop(_name, None)
