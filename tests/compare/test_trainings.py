"""Order, resumption and repetition of the trainings of a comparison, without real trainings."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from bars_tf.cli import workdir
from bars_tf.cli.inputs import search_of
from bars_tf.compare import baselines, tables, trainings
from bars_tf.compare.contenders import Contender
from bars_tf.config import RunSettings
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_at
from bars_tf.data.splits import load_splits
from bars_tf.errors import InputError
from bars_tf.files import read_json, write_json
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_SMALL
from bars_tf.training.settings import TrainingSettings

SPACE = BARS_SMALL.replace(init_channels=8, stem_channels=8, num_nodes=2, layout="NR")
IMAGES = SimpleNamespace(image_shape=(28, 28, 1), num_classes=10, settings=SimpleNamespace(name="images"))
ACCURACIES = {"random_0": 0.5, "random_1": 0.7, "random_2": 0.6, "random_3": 0.65, "found": 0.8, "resnet": 0.55,
              "quicknet_1": 0.75, "quicknet_2": 0.7, "quicknet_2_cifar_2": 0.72}
VALIDATION = {"quicknet_1": 0.6, "quicknet_2": 0.7, "quicknet_2_cifar_2": 0.65}  # others have 0.5


def contender(name, kind, width, num_seeds=1, **more):
    network = baselines.uniform_of(SPACE, (width, width))
    return Contender(name, kind, network, cost_at(network, (28, 28, 1), 10), num_seeds, **more)


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """Runs a comparison whose trainings take no time, and returns its results and messages."""
    def train_and_test(training, run, images, network, directory, budget, **found):
        assert directory == Path(run.workdir) and budget == Budget(bops=400e3)
        write_json(directory / "summary.json", {
            "test_accuracy": ACCURACIES[directory.name.partition("_seed")[0]] + run.seed / 100,
            "train_seconds": 1.0, "train_epochs": training.train_epochs, "seed": run.seed, **found})
        (directory / "train" / "checkpoints").mkdir(parents=True)
        accuracy = VALIDATION.get(directory.name.partition("_seed")[0], 0.5)
        (directory / "train" / "log.csv").write_text(f"epoch,val_accuracy\n1,0.25\n2,{accuracy}\n")
        return read_json(directory / "summary.json")

    monkeypatch.setattr(trainings, "train_and_test", train_and_test)
    monkeypatch.setattr(tables.charts, "against_cost", lambda *_: None)
    monkeypatch.setattr(tables.html, "png", lambda _: b"")
    def run(contenders, train_seeds=1):
        draws = {"lowest_part_of_budget": 0.95, "is_walk": False, "acceptance": 0.5, "topologies": 9, "reachable": 4,
                 "given_up": 0}
        trainings.run(trainings.Comparison(
            contenders, draws, train_seeds, TrainingSettings(train_epochs=2),
            RunSettings(str(tmp_path)), IMAGES, "bars", Budget(bops=400e3),
            {"search": None, "broken": None},
            lambda where, seed: (where / "config.flags").write_text(f"seed {seed}")))
        return read_json(tmp_path / "compare.json"), capsys.readouterr().err

    return run


def test_a_comparison_resumes_and_takes_in_more(compare, tmp_path):
    resnet, randoms = contender("resnet", "reference", 5), [contender("random_0", "random", 4)]
    found, printed = compare([resnet])
    assert "compare  network 1 of 1: resnet, seed 0, begins" in printed
    (row,) = found["networks"]
    assert row["validation_accuracy"] == 0.5 and row["test_accuracy"] == 0.55 and row["epochs"] == 2
    assert row["genotype"] == resnet.network.to_dict() and row["cost"] == resnet.cost.to_dict()
    directory = tmp_path / "networks" / "resnet_seed0"
    assert not (directory / "train" / "checkpoints").exists() and (directory / "config.flags").exists()
    assert read_json(directory / "summary.json")["kind"] == "reference"
    searched = contender("found", "searched", 6, search_seconds=2.0)
    found, printed = compare([resnet, *randoms, searched])
    for words in ("network 1 of 3: random_0, seed 0, begins", "network 2 of 3: found, seed 0, begins, about",
                  "network 3 of 3: resnet, seed 0, is trained, about"):
        assert words in printed, printed
    assert [row["kind"] for row in found["networks"]] == ["random", "searched", "reference"]
    assert found["networks"][1]["search_seconds"] == 2
    before = (tmp_path / "compare.md").read_bytes()
    assert "begins" not in compare([resnet, *randoms, searched])[1]
    assert (tmp_path / "compare.md").read_bytes() == before
    with pytest.raises(InputError, match="networks/resnet_seed0: has a training of another network"):
        compare([contender("resnet", "reference", 4)])


def test_the_best_random_network_is_trained_as_often_as_a_searched_one(compare, tmp_path):
    randoms = [contender(f"random_{i}", "random", 3 + i, 2 if i == 2 else 1) for i in range(3)]
    found, printed = compare([*randoms, contender("found", "searched", 7, 2)], train_seeds=2)
    assert [(row["name"], row["seed"], row.get("chosen")) for row in found["networks"]] == [
        ("random_0", 0, None), ("random_1", 0, None), ("random_2", 0, None), ("random_2", 1, None),
        ("found", 0, None), ("found", 1, None), ("random_1", 1, True)]
    assert "network 6 of 6: found" in printed and "network 7 of 7: random_1, seed 1, begins" in printed
    assert (tmp_path / "networks" / "random_1_seed1" / "config.flags").read_text() == "seed 1"
    assert found["trainings"] == 7 and found["random"]["repeated"] == 1


def test_the_best_depth_of_a_baseline_is_trained_with_a_longer_stem_and_again(compare):
    longer = [contender(f"quicknet_{blocks}_cifar_2", "reference", 8 + blocks, baseline="quicknet")
              for blocks in (1, 2)]
    depths = [contender(f"quicknet_{blocks}", "reference", 2 + blocks, baseline="quicknet", variant=longer[blocks - 1])
              for blocks in (1, 2)]
    found, _ = compare(depths, train_seeds=2)
    assert [(row["name"], row["seed"], row["baseline"]) for row in found["networks"]] == [
        ("quicknet_1", 0, "quicknet"), ("quicknet_2", 0, "quicknet"), ("quicknet_2_cifar_2", 0, "quicknet"),
        ("quicknet_2", 1, "quicknet")]


def test_an_equal_network_is_not_trained_twice(compare):
    found, _ = compare([contender("found", "searched", 7, 2), contender("found_2", "searched", 7, 0)], train_seeds=2)
    assert [row["name"] for row in found["networks"]] == ["found", "found"]


def test_scores_of_supernets(compare, monkeypatch):
    """The best network by a supernet is trained as often as a searched one. A supernet that cannot score is named."""
    def score(directory, load, networks, scores):
        if directory == Path("broken"):
            raise ValueError("the directory has no checkpoint of its supernet")
        assert scores.name == "scores"
        return {name: {"accuracy": 0.9 if name == "random_3" else 0.1, "loss": 1.0} for name in networks}

    monkeypatch.setattr(trainings, "score", score)
    randoms = [contender(f"random_{i}", "random", 3 + i) for i in range(4)]
    searched = [contender(name, "searched", 7, 2, path=path)
                for name, path in (("found", "search"), ("resnet", "broken"))]
    found, printed = compare([*randoms, *searched], train_seeds=2)
    assert "note: the supernet of broken does not score the random networks: the directory has no" in printed
    assert [search["search"] for search in found["ranking"]["searches"]] == ["found"]
    assert [row["name"] for row in found["networks"] if row.get("chosen")] == ["random_1", "random_3"]
    assert "best of 4 random by the supernet" in [d["baseline"] for d in found["differences"]]
    assert len(compare([*randoms[:3], *searched], train_seeds=2)[0]["networks"]) == 8  # too few for scores


def test_networks_are_scored_by_the_supernet_of_a_search(finished, tmp_path, rng):
    run, _ = finished
    settings = workdir.settings_of(run / "config.flags", "search", "--deterministic=false")

    def scores(directory):
        there = settings.replace(workdir=str(directory))
        return trainings.score(directory, lambda: search_of(there, load_splits(there.data)), networks, kept)

    kept = tmp_path / "scores"
    candidate = json.loads((run / "candidates.json").read_text())["candidates"][0]
    genotype = Genotype.from_dict(candidate["genotype"])
    networks = {"best": genotype, **{str(i): random_genotype(genotype.space, rng) for i in range(3)}}
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    found = scores(run)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert found["best"] == {key: pytest.approx(candidate[key], rel=1e-5) for key in ("accuracy", "loss")}
    assert len({values["loss"] for values in found.values()}) == 4
    # Scores in the file are not computed again, except for another search.
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(copy / "search" / "checkpoints")
    assert scores(copy) == found
    (copy / "candidates.json").write_text("{}")
    with pytest.raises(ValueError, match="has no checkpoint"):
        scores(copy)
