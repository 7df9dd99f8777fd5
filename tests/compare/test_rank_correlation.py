"""Rank correlation with test accuracies, by hand."""

import pytest

from bars_tf.compare import rank_correlation
from bars_tf.compare.differences import by_name


def test_correlations_by_hand(rows):
    trained = rows("random", {"a": [0.5, 0.6], "b": [0.6, 0.8], "c": [0.7, 0.9], "d": [0.8, 0.7]})
    scores = {"found": {name: {"accuracy": accuracy, "loss": 1 - i / 10} for i, (name, accuracy) in enumerate(
        zip("abcd", (0.1, 0.2, 0.4, 0.3)))}}
    found = rank_correlation.correlations(by_name(trained, "random"), scores)
    # The means are 0.55, 0.7, 0.8, 0.75, in the order of the scores; the losses have one pair of six in another order.
    assert found["networks"] == found["trained_twice"] == 4
    # Without one of the pair that is in another order, tau of the losses is 1, else 1 / 3.
    error = pytest.approx((3 * ((1 - 1 / 3) / 2) ** 2) ** 0.5)
    assert found["searches"] == [{"search": "found", "accuracy_tau": 1, "accuracy_tau_error": 0,
                                  "loss_tau": pytest.approx(4 / 6), "loss_tau_error": error,
                                  "best_scored": "c", "its_test_accuracy": pytest.approx(0.8)}]
    assert found["two_seeds_tau"] == pytest.approx((4 - 2) / 6) and found["cost_tau"]["ops"] is None
    assert rank_correlation.correlations(by_name(trained[:6], "random"), {}) is None


def test_further_trainings_of_a_selected_network_are_no_second_seeds(rows):
    trained = rows("random", {"a": [0.5], "b": [0.8], "c": [0.7, 0.72], "d": [0.6]}) + rows(
        "random", {"b": [0.6]}, chosen=True)
    assert rank_correlation.correlations(by_name(trained, "random"), {})["trained_twice"] == 1
