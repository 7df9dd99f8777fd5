"""Images: sources, augmentation and deterministic batches.

The functions that users call are loaded at first use, because they import TensorFlow.
"""

import importlib

_NAMES = {"batches": "pipeline", "bilevel": "pipeline", "load": "pipeline", "steps_per_epoch": "pipeline"}


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
