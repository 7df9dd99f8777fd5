"""Fixtures of the tests of comparisons."""

import pytest

from bars_tf.cost.measures import Cost


@pytest.fixture
def rows():
    """Makes rows of `compare.json` of one kind from {name: [test accuracy of each seed]}."""
    def make(kind, accuracies, **more):
        cost = Cost(1e6, 2e5, 8e3, 1e3, 4e4, 0, 5e4).to_dict()
        return [{"name": name, "kind": kind, "seed": seed, "epochs": 2, "cost": cost, "test_accuracy": value,
                 "validation_accuracy": value, "train_seconds": 10.0, **more}
                for name, values in accuracies.items() for seed, value in enumerate(values)]

    return make
