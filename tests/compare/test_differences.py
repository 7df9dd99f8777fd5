"""Differences between searched networks and baselines, with known answers."""

import itertools

import numpy as np
import pytest
from scipy import stats

from bars_tf.compare import rank_correlation
from bars_tf.compare.differences import by_name, differences, random_spreads, selected_random, unselected


def test_differences_by_hand(rows):
    trained = rows("random", {f"random_{i}": [0.5 + i / 100] for i in range(17)}) + rows(
        "random", {"random_17": [0.66, 0.68]}) + rows(
        "searched", {"a": [0.79, 0.81], "b": [0.82, 0.78], "c": [0.83], "d": [0.81], "e": [0.85]},
        search_seconds=35.0) + rows(
        "reference", {"quicknet_1": [0.71], "quicknet_2": [0.72, 0.8]}, baseline="quicknet") + rows(
        "reference", {"bars_uniform_2": [0.6]}, baseline="bars_uniform")
    trained[0]["train_seconds"] = 4000.0  # a training that was suspended
    found = {d["baseline"]: d for d in differences(trained)}
    mean = found["mean of random"]
    values, ours = [0.5 + i / 100 for i in range(17)] + [0.67], [0.8, 0.8, 0.83, 0.81, 0.85]
    assert mean["searched_accuracy"] == pytest.approx(np.mean(ours))
    assert mean["difference"] == pytest.approx(np.mean(ours) - np.mean(values))
    assert mean["p"] == pytest.approx(stats.ttest_ind(ours, values, equal_var=False).pvalue)
    best = found["best random"]
    assert best["difference"] == pytest.approx(np.mean(ours) - 0.67) and best["chosen_from"] == 18
    assert best["values"] == pytest.approx([one - 0.67 for one in ours])
    # Networks with two trainings: random_17, a, b, quicknet_2.
    seeds = (0.0002 + 0.0002 + 0.0008 + 0.0032) / 4
    error = np.sqrt(np.var(ours, ddof=1) / 5 + seeds / 2)
    assert best["interval"][0] < best["difference"] - 1.96 * error and best["p"] < 0.05
    # A search of 35 s and the training of its result take as long as 4 trainings of 10 s.
    firsts = [*values[:17], 0.66]
    expected = np.mean([max(four) for four in itertools.combinations(firsts, 4)])
    assert found["best of 4 random by validation"]["baseline_accuracy"] == pytest.approx(expected)
    quicknet = found["quicknet"]
    assert (quicknet["chosen"], quicknet["chosen_from"]) == ("quicknet_2", 2)
    assert quicknet["difference"] == pytest.approx(np.mean(ours) - 0.76)
    assert found["best hand-made"]["difference"] == quicknet["difference"]
    assert found["best hand-made"]["chosen_from"] == 3
    random = random_spreads(trained)
    assert random["head_room"] == pytest.approx(0.67 - np.mean(values)) and random["best_name"] == "random_17"
    assert random["spread_between_seeds"] == pytest.approx(0.02 / np.sqrt(2)) and random["repeated"] == 1


def test_further_trainings_of_a_selected_network_bias_no_mean(rows):
    """The best of many networks by one training each leads partly by chance: it is trained again."""
    drawn = rows("random", {"a": [0.5], "b": [0.8], "c": [0.7, 0.72], "d": [0.6]})
    searched = rows("searched", {"found": [0.75, 0.75]})
    assert selected_random(drawn, {}) == set()
    assert selected_random(drawn + searched, {}) == {"b"}
    scores = {name: {"accuracy": accuracy, "loss": 1.0} for name, accuracy in zip("abcd", (0.1, 0.2, 0.2, 0.3))}
    assert selected_random(drawn + searched, {"found": scores}) == {"b", "d"}
    again = rows("random", {"b": [None, 0.6]}, chosen=True)[1:]
    found = {d["baseline"]: d["baseline_accuracy"] for d in differences(drawn + searched + again)}
    assert found["best random"] == pytest.approx(0.71)
    assert found["mean of random"] == pytest.approx((0.5 + 0.8 + 0.71 + 0.6) / 4)
    assert [len(trainings) for trainings in unselected(drawn + again).values()] == [1, 1, 2, 1]
    random = random_spreads(drawn + searched + again)
    assert random["best_name"] == "c" and random["repeated"] == 1


def test_the_best_by_the_supernet_of_each_search(rows):
    trained = rows("random", {"a": [0.5], "b": [0.6], "c": [0.7], "d": [0.8]})
    scores = {name: {network: {"accuracy": float(network == best), "loss": 1.0} for network in "abcd"}
              for name, best in (("one", "c"), ("two", "a"))}
    ranking = rank_correlation.correlations(by_name(trained, "random"), scores)
    found = {d["baseline"]: d for d in differences(trained + rows("searched", {"one": [0.9], "two": [0.8]}), ranking)}
    best = found["best of 4 random by the supernet"]
    assert best["difference"] == pytest.approx(0.85 - 0.6) and best["searched_networks"] == 2
    assert best["values"] == pytest.approx([0.2, 0.3])  # the differences of the two searches
    assert best["searched_accuracy"] == pytest.approx(0.85) and best["baseline_accuracy"] == pytest.approx(0.6)


def test_too_few_networks_for_statistics(rows):
    trained = rows("random", {f"random_{i}": [0.5 + i / 100] for i in range(9)}) + rows(
        "searched", {name: [0.6, 0.61] for name in "abcd"})
    assert all(d["p"] is None and d["interval"] is None for d in differences(trained))
    assert [d["baseline"] for d in differences(trained)] == ["mean of random", "best random"]
    assert differences(rows("random", {"random_0": [0.5]})) == []
