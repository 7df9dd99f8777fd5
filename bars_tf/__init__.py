"""Searches binary neural networks by gradient descent (README.md).

    import bars_tf as bars

Names load when they are first used; importing the package does not import TensorFlow.
"""

import importlib
import os

__version__ = "0.1.0"

# Larq is Keras-2 code. TensorFlow reads this when tf.keras is first used, so here is early enough and the one place;
# bars_tf.legacy_keras checks that it took effect.
os.environ["TF_USE_LEGACY_KERAS"] = "1"

# Public name: the module that has it.
_NAMES = {
    "BARS": "space.presets",
    "BARS_PAPER": "space.presets",
    "BARS_SMALL": "space.presets",
    "Budget": "cost.budget",
    "Genotype": "space.genotype",
    "SearchSpace": "space.search_space",
    "Supernet": "search.supernet.supernet",
    "batches": "data",
    "bilevel": "data",
    "build_network": "network.keras_network",
    "load": "data",
    "nasb": "space.backbones",
}
# Public module: where it is. Names that have moved on are still reachable where a module imports them.
_MODULES = {
    "backbones": "space.backbones",
    "callbacks": "search.phases",
    "complexity": "cost.tables",
    "conversion": "export.conversion",
    "data": "data",
    "derive": "search.derivation.candidates",
    "genotype": "space.genotype",
    "overhead": "cost.overhead",
    "own_data": "data.function",
    "schedules": "training.schedules",
    "spaces": "space.presets",  # which has SearchSpace too
    "tuning_spaces": "compare.tuning.hyperparameters",
}

__all__ = sorted([*_NAMES, *_MODULES])


def __getattr__(name: str):
    if name in _NAMES:
        value = getattr(importlib.import_module(f"bars_tf.{_NAMES[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"bars_tf.{_MODULES[name]}")
    else:
        raise AttributeError(f"module 'bars_tf' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
