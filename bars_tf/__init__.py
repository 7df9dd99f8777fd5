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
    "BARS": "space.presets", "BARS_PAPER": "space.presets", "BARS_SMALL": "space.presets", "nasb": "space.backbones",
    "SearchSpace": "space.search_space", "Genotype": "space.genotype", "Budget": "cost.budget",
    "batches": "data", "bilevel": "data", "load": "data",
    "build_network": "network.keras_network", "Supernet": "search.supernet.supernet"}
# Public module: where it is. Names that have moved on are still reachable where a module imports them, as SearchSpace
# from `space.presets`.
_MODULES = {
    "backbones": "space.backbones", "genotype": "space.genotype", "spaces": "space.presets",
    "complexity": "cost.tables", "overhead": "cost.overhead", "data": "data", "own_data": "data.function",
    "schedules": "training.schedules", "callbacks": "search.phases", "derive": "search.derivation.candidates",
    "conversion": "export.conversion", "zoo": "export.zoo", "tuning_spaces": "compare.tuning.hyperparameters"}

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
