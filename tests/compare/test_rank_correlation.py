"""Scores by the supernet of a search, and their rank correlation with test accuracies."""

import json
import shutil

import pytest

from bars_tf.cli import workdir
from bars_tf.cli.search import search_of
from bars_tf.compare import rank_correlation
from bars_tf.compare.differences import by_name
from bars_tf.compare.rank_correlation import FinishedSearch
from bars_tf.data.splits import load_splits
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype


def test_correlations_by_hand(rows):
    trained = rows("random", {"a": [0.5, 0.6], "b": [0.6, 0.8], "c": [0.7, 0.9], "d": [0.8, 0.7]})
    scores = {"found": {name: {"accuracy": accuracy, "loss": 1 - i / 10} for i, (name, accuracy) in enumerate(
        zip("abcd", (0.1, 0.2, 0.4, 0.3)))}}
    found = rank_correlation.correlations(by_name(trained, "random"), scores)
    # The means are 0.55, 0.7, 0.8, 0.75, in the order of the scores; the losses have one pair of six in another order.
    assert found["networks"] == found["trained_twice"] == 4
    assert found["searches"] == [{"search": "found", "accuracy_tau": 1, "loss_tau": pytest.approx(4 / 6),
                                  "best_scored": "c", "its_test_accuracy": pytest.approx(0.8)}]
    assert found["two_seeds_tau"] == pytest.approx((4 - 2) / 6) and found["cost_tau"]["ops"] is None
    assert rank_correlation.correlations(by_name(trained[:6], "random"), {}) is None


def test_further_trainings_of_a_selected_network_are_no_second_seeds(rows):
    trained = rows("random", {"a": [0.5], "b": [0.8], "c": [0.7, 0.72], "d": [0.6]}) + rows(
        "random", {"b": [0.6]}, chosen=True)
    assert rank_correlation.correlations(by_name(trained, "random"), {})["trained_twice"] == 1


def test_networks_are_scored_by_the_supernet_of_a_search(finished, tmp_path, rng):
    run, _ = finished
    settings = workdir.settings_of(run / "config.flags", "search", "--deterministic=false")

    def finished_search(directory):
        return FinishedSearch(directory, lambda: search_of(settings, load_splits(settings.data), directory))

    search = finished_search(run)
    candidate = json.loads((run / "candidates.json").read_text())["candidates"][0]
    genotype = Genotype.from_dict(candidate["genotype"])
    networks = {"best": genotype, **{str(i): random_genotype(genotype.space, rng) for i in range(3)}}
    file = tmp_path / "scores.json"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    found = rank_correlation.score(search, networks, file)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert found["best"] == {key: pytest.approx(candidate[key], rel=1e-5) for key in ("accuracy", "loss")}
    assert len({values["loss"] for values in found.values()}) == 4
    # What the file has is not computed again, but for another search.
    copy = finished_search(shutil.copytree(run, tmp_path / "copy"))
    shutil.rmtree(copy.directory / "search" / "checkpoints")
    assert rank_correlation.score(copy, networks, file) == found
    (copy.directory / "candidates.json").write_text("{}")
    with pytest.raises(ValueError, match="has no checkpoint"):
        rank_correlation.score(copy, networks, file)
