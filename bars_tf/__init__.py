"""Finds binary neural networks by gradient descent: see README.md for the programs, and this for Python:

    import bars_tf as bars

Names load when they are first used; importing the package does not import TensorFlow.
"""

import importlib
import os

__version__ = "0.1.0"

# Larq is Keras-2 code. TensorFlow reads this when tf.keras is first used, so here is early enough and the one place;
# bars_tf.legacy_keras checks that it took effect.
os.environ["TF_USE_LEGACY_KERAS"] = "1"

# Public name: the module that defines it.
_NAMES = {
    "Budget": "complexity",
    "Genotype": "genotype",
    "SearchSpace": "spaces",
    "Supernet": "supernet",
    "build_network": "derived",
    "nasb": "backbones",
}

__all__ = ["Budget", "Genotype", "SearchSpace", "Supernet", "backbones", "build_network", "callbacks", "complexity",
           "data", "derive", "genotype", "nasb", "overhead", "own_data", "schedules", "spaces"]


def __getattr__(name: str):
    if name in _NAMES:
        value = getattr(importlib.import_module(f"bars_tf.{_NAMES[name]}"), name)
    elif name in __all__:
        value = importlib.import_module(f"bars_tf.{name}")
    else:
        raise AttributeError(f"module 'bars_tf' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
