"""bin/compare: random networks and references of equal cost, differences with known answers, the program itself."""

import collections
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, refused

from bars_tf import files
from bars_tf.cli import command_line
from bars_tf.cli import train as cli_train
from bars_tf.compare import baselines as references
from bars_tf.compare import differences as comparison
from bars_tf.compare import random_networks
from bars_tf.compare import rank_correlation as ranking
from bars_tf.compare import trainings as compare
from bars_tf.cost import overhead
from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import Budget, Cost
from bars_tf.errors import InputError
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.keras_network import build_network
from bars_tf.network.quicknet import QuickNet
from bars_tf.space import backbones
from bars_tf.space.backbones import nasb
from bars_tf.space.encoding import Choices, genotype_of, random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS, BARS_PAPER, BARS_SMALL
from bars_tf.training import evaluation as evaluate

SHAPE, CLASSES = (28, 28, 1), 10
SPACE = BARS_SMALL.replace(init_channels=8, stem_channels=8, num_nodes=2, layout="NRN")
TINY = ("--flagfile=quickstart_compare.flags", "--init_channels=8", "--layout=NR", "--budget_bops=400k",
        "--max_steps=2", "--train_epochs=1", "--eval_batch_size=64", "--repeat_random=0")


# Random networks


@pytest.mark.parametrize("space", [SPACE, BARS_PAPER.replace(stem="cifar_2"), SPACE.replace(
    primitives=("skip", "bin_conv_3x3"), sharing="all")], ids=["small", "bars", "no_none"])
def test_costs_of_drawn_topologies_are_exact(space, rng):
    tables = complexity.cost_tables(space, SHAPE, CLASSES)
    for i in range(20):
        budget = Budget(bops=2e6, size_bytes=10e3, peak_bytes=20e3 if i % 2 else None)
        genotype = random_genotype(space, rng)
        picks = np.array([[[space.primitives.index(genotype.primitive(group, edge)) for edge in space.edges]
                           for group in space.groups]] * 2) if "none" in space.primitives else rng.integers(
                               2, size=(2, len(space.groups), len(space.edges)))
        widths = [space.width_choices.index(w) for w in genotype.widths]
        depths = [space.depths(s).index(d) for s, d in enumerate(genotype.depths)]
        costs = random_networks._TopologyCosts(tables, budget, widths, depths)
        made = genotype_of(space, Choices(widths, depths, picks[0]))
        assert costs.used(picks)[0] == pytest.approx(budget.used(complexity.cost(made, tables)))
        assert not costs.used(picks)[0] >= 0.95 or costs.used(picks)[0] > 1 or costs.reach()


def test_random_networks_of_a_backbone(rng, monkeypatch):
    """Of more inputs than the space keeps any stay; costs are exact with rows left out, too."""
    space = nasb("resnet20", 0.5)
    tables = complexity.cost_tables(space, SHAPE, CLASSES)
    budget = Budget(ops=float(np.median([complexity.cost(random_genotype(space, rng), tables).ops
                                         for _ in range(20)])))
    monkeypatch.setattr(random_networks, "WALK", 5)
    drawn = random_networks.draw(tables, budget, 120, seed=0)  # more than may be given up in a row
    assert len({genotype.canonical() for genotype in drawn.genotypes}) == 120
    for genotype in drawn.genotypes:
        assert 0.95 <= budget.used(complexity.cost(genotype, tables)) <= 1
        assert max(len(node) for topology in genotype.topologies for node in topology) <= 2


@pytest.mark.parametrize("budget", [Budget(bops=600e3, size_bytes=20e3),
                                    Budget(bops=200e3, peak_bytes=20e3), Budget(peak_bytes=28.3e3)], ids=str)
def test_random_networks_keep_to_the_band(budget):
    tables = complexity.cost_tables(SPACE, SHAPE, CLASSES)
    drawn = random_networks.draw(tables, budget, 12, seed=3)
    assert len(set(drawn.genotypes)) == 12
    assert all(0.95 <= budget.used(complexity.cost(g, tables)) <= 1 for g in drawn.genotypes)
    assert random_networks.draw(tables, budget, 5, seed=3).genotypes == drawn.genotypes[:5]
    assert drawn.acceptance == pytest.approx((drawn.reachable - drawn.given_up) / drawn.topologies)
    with pytest.raises(ValueError, match="find 0 of 2 different networks at 95% to 100% of the budget; .* bops from"):
        random_networks.draw(tables, Budget(bops=1e12), 2, seed=0)


def test_random_networks_are_uniform():
    """Widths and depths are, among those with a network in the band; and so are then the topologies."""
    space = SPACE.replace(layout="NR", width_choices=(0.5, 1.0))
    tables, budget = complexity.cost_tables(space, SHAPE, CLASSES), Budget(bops=500e3)
    picks = np.array(list(itertools.product(range(3), repeat=6))).reshape(-1, 2, 3)
    inside = {}  # what the topologies in the band use of the budget, by widths and depths
    for widths in itertools.product((0, 1), repeat=2):
        for depths in ((0, 0), (1, 0)):  # indices, and here the depths too
            used = random_networks._TopologyCosts(tables, budget, widths, depths).used(picks)
            if len(found := used[(used >= 0.95) & (used <= 1)]):
                inside[tuple(space.width_choices[w] for w in widths), depths] = found
    assert 1 < len(inside) < 8
    drawn = collections.defaultdict(list)
    for seed in range(400):
        (genotype,) = random_networks.draw(tables, budget, 1, seed).genotypes
        drawn[genotype.widths, genotype.depths].append(budget.used(complexity.cost(genotype, tables)))
    assert set(drawn) == set(inside)
    share = 1 / len(inside)
    for macro, used in inside.items():
        assert abs(len(drawn[macro]) / 400 - share) < 4 * np.sqrt(share * (1 - share) / 400)
        assert abs(np.mean(drawn[macro]) - used.mean()) < 4 * used.std() / np.sqrt(len(drawn[macro])) + 1e-9


# References


OF_BARS = ("resnet", "quicknet", "bars_uniform")


@pytest.mark.parametrize("name", OF_BARS)
@pytest.mark.parametrize("budget", [Budget(ops=250e3), Budget(bops=2e6, size_bytes=6e3),
                                    Budget(peak_bytes=60e3)], ids=str)
def test_references_are_as_large_as_the_budget_allows(name, budget):
    network = references.make(name, SPACE, budget, SHAPE, CLASSES)
    cost, model = references.cost(network, SHAPE, CLASSES), build_network(network, SHAPE, CLASSES)
    profile = lq.models.ModelProfile(model)
    assert (cost.bops, cost.flops) == (profile.op_count("mac", 1), profile.op_count("mac", 32))
    assert cost.params == profile.weight_count() and budget.allows(cost)
    assert model.output_shape == (None, CLASSES)
    if isinstance(network, QuickNet):
        wider = QuickNet.of_width(SPACE, network.filters[-1] + 1)
    elif name == "resnet":
        channels = [network.space.node_channels(stage).size for stage in range(3)]
        assert network == backbones.backbone(network.space) and channels[0] < channels[1] < channels[2]
        wider = references.residual(SPACE, tuple((channels[0] + 1) * c for c in (1, 2, 4)))
    else:
        nodes = [network.space.node_channels(s).count(w) >> s for s, w in enumerate(network.widths)]
        wider = references.uniform(SPACE, (max(nodes) + 1,) * SPACE.num_stages)
        assert max(nodes) - min(nodes) <= 1
        assert network.shares() == {"none": 0, "skip": 0, "bin_conv_3x3": 1}
        assert network.depths == tuple(len(SPACE.chain(s)) for s in range(SPACE.num_stages))
        assert network.space.stem_channels == 8
    assert not budget.allows(references.cost(wider, SHAPE, CLASSES))


def test_references_of_a_backbone():
    """As it is, and widened within the overhead: more of it is used, of one measure nearly all."""
    space = nasb("resnet20")
    tables = complexity.cost_tables(space, (32, 32, 3), CLASSES)
    budget, base = overhead.budget(Budget(), "0.1", tables), backbones.backbone(space)
    assert references.make("backbone", space, budget, (32, 32, 3), CLASSES) == base
    widened = references.make("widened", space, budget, (32, 32, 3), CLASSES)
    above = overhead.of(references.cost(widened, (32, 32, 3), CLASSES), complexity.cost(base, tables))
    assert all(share <= 0.1 for share in above.values()) and max(above.values()) > 0.08
    wider = overhead.budget(Budget(), "1.0", tables)
    assert wider.used(references.cost(references.make("widened", space, wider, (32, 32, 3), CLASSES), (32, 32, 3),
                                      CLASSES)) > 0.97
    with pytest.raises(ValueError, match="smallest network is above"):
        references.make("backbone", space, Budget(bops=1e6), (32, 32, 3), CLASSES)
    with pytest.raises(ValueError, match="has no backbone"):
        references.make("widened", SPACE, Budget(bops=1e6), SHAPE, CLASSES)


@pytest.mark.parametrize("name", OF_BARS)
def test_references_that_cannot_be_made(name):
    with pytest.raises(ValueError, match="smallest network is above the budget bops=100"):
        references.make(name, SPACE, Budget(bops=100), SHAPE, CLASSES)
    with pytest.raises(ValueError, match="no convolution"):
        references.make("bars_uniform", SPACE.replace(primitives=("none", "skip")), Budget(bops=1e6), SHAPE, CLASSES)


def test_a_uniform_network_of_kernels_with_a_scale():
    """The scale is computed over all channels of a stage, so there is one width."""
    space, budget = SPACE.replace(width_choices=(1.0,), kernel_quantizer="magnitude_aware_sign"), Budget(ops=250e3)
    network = references.make("bars_uniform", space, budget, SHAPE, CLASSES)
    assert network.widths == (1.0,) * space.num_stages
    assert 0.8 < budget.used(references.cost(network, SHAPE, CLASSES)) <= 1


def test_a_quicknet_is_saved_and_loaded_as_any_other_network(tmp_path, rng):
    model = build_network(QuickNet.of_width(SPACE, 12), SHAPE, CLASSES)
    files.save_model(model, tmp_path / "model.h5")
    images = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(evaluate.load_model(str(tmp_path / "model.h5"))(images), model(images))
    twin = build_network(QuickNet.of_width(SPACE, 12), SHAPE, CLASSES, precision="float")
    assert not any(isinstance(layer, lq.layers.QuantConv2D) for layer in twin.layers)


@pytest.mark.parametrize("name", OF_BARS)
def test_references_have_a_longer_stem_where_the_budget_allows(name):
    space = SPACE.replace(stem="conv_3x3_2")
    assert references.make(name, space, Budget(bops=1e6), SHAPE, CLASSES).space.stem == "cifar_2"
    cheap = references.make(name, space, Budget(flops=10e3), SHAPE, CLASSES)
    assert cheap.space.stem == "conv_3x3_2"
    assert references.cost(cheap, SHAPE, CLASSES).flops <= 10e3


def test_the_default_space_holds_quicknet():
    """But for the ReLU before its classifier: its blocks are cells, its transitions shortcuts of reduction cells."""
    space = BARS.replace(stem="cifar_2", stem_channels=16)
    topologies = tuple((() if group == "reduction" else ((0, "bin_conv_3x3"),),) for group in space.groups)
    genotype = Genotype(space, (0.5,) * 3, (QuickNet.blocks,) * 3, topologies)
    model, quicknet = (build_network(net, (32, 32, 3), CLASSES)
                       for net in (genotype, QuickNet.of_width(space, 64)))
    assert [w.shape for w in model.weights] == [w.shape for w in quicknet.weights]
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    model.set_weights(quicknet.get_weights())
    features = [tf.keras.Model(net.input, net.layers[-3 - relu].output)(images)
                for relu, net in enumerate((model, quicknet))]
    np.testing.assert_allclose(*features, atol=1e-4)


def test_the_blur_is_quicknets(rng):
    """Two averages of 2x2 are the kernel (1 2 1) that larq_zoo's QuickNet blurs with, away from the border."""
    from bars_tf.network.keras_network import KerasOps

    image = tf.constant(rng.normal(size=(1, 8, 8, 2)), tf.float32)
    ops = KerasOps(QuickNet.of_width(SPACE, 8), CLASSES)
    blurred = ops.average_pool(ops.pool(image, "avg_pool", 2))
    kernel = np.repeat(np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16, 2, axis=2).astype(np.float32)
    expected = tf.nn.depthwise_conv2d(image, kernel, (1, 2, 2, 1), "VALID")
    np.testing.assert_allclose(blurred[:, :3, :3], expected, atol=1e-6)


# What is made of the trainings


def rows(kind, accuracies, **more):
    """Rows of networks by name: {"a": [test accuracy of each seed]}."""
    cost = Cost(1e6, 2e5, 8e3, 1e3, 5e4).to_dict()
    return [{"name": name, "kind": kind, "seed": seed, "epochs": 2, "cost": cost, "test_accuracy": value,
             "validation_accuracy": value, "train_seconds": 10.0, **more}
            for name, values in accuracies.items() for seed, value in enumerate(values)]


def test_differences_by_hand(tmp_path):
    trained = rows("random", {f"random_{i}": [0.5 + i / 100] for i in range(17)}) + rows(
        "random", {"random_17": [0.66, 0.68]}) + rows(
        "searched", {"a": [0.79, 0.81], "b": [0.82, 0.78], "c": [0.83]}, search_seconds=35.0) + rows(
        "reference", {"quicknet": [0.7, 0.8], "bars_uniform": [0.6]})
    trained[0]["train_seconds"] = 4000.0  # one that was suspended
    found = {d["opponent"]: d for d in comparison.differences(trained)}
    mean = found["mean of random"]
    values = [0.5 + i / 100 for i in range(17)] + [0.67]
    assert mean["searched_accuracy"] == pytest.approx((0.8 + 0.8 + 0.83) / 3)
    assert mean["difference"] == pytest.approx(0.81 - np.mean(values))
    assert mean["p"] == pytest.approx(1 / 1330) and mean["interval"][0] < mean["difference"] < mean["interval"][1]
    assert found["best random"]["difference"] == pytest.approx(0.81 - 0.67) and found["best random"]["p"] is None
    # 35 s of search are 3 trainings of 10 s; of any 3 the best on validation images is the best here.
    firsts = [*values[:17], 0.66]
    expected = np.mean([max(three) for three in itertools.combinations(firsts, 3)])
    assert found["best of 3 random by validation"]["opponent_accuracy"] == pytest.approx(expected)
    assert found["quicknet"]["difference"] == pytest.approx(0.06) and found["quicknet"]["p"] is None
    assert found["bars_uniform"]["interval"][0] == pytest.approx(0.2)
    random = comparison.of_random(trained)
    assert random["head_room"] == pytest.approx(0.67 - np.mean(values)) and random["best_name"] == "random_17"
    assert random["spread_between_seeds"] == pytest.approx(0.02 / np.sqrt(2)) and random["repeated"] == 1
    config = command_line.parse("compare", TINY)
    comparison.write(tmp_path, config, config.budget, trained, random_networks.Draws([], 9, 8, 1, 700).to_dict(), 99)
    text = (tmp_path / "compare.md").read_text()
    for words in ("| mean of random | +22", "| best of 3 random by validation |", "27 of 99 trainings", "1.000% of 700",
                  "| quicknet | 2 |", "75.00% (70.00% to 80.00%)"):
        assert words in text, text
    assert json.loads((tmp_path / "compare.json").read_text())["differences"] == comparison.differences(trained)
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in comparison.PICTURES)


def test_the_best_random_network_is_trained_as_often_as_a_searched_one():
    """The best of many by one training each is so by luck as well: its other trainings bend no mean."""
    drawn = rows("random", {"a": [0.5], "b": [0.8], "c": [0.7, 0.72], "d": [0.6]})
    searched = rows("searched", {"found": [0.75, 0.75]})
    assert comparison.chosen_random(drawn, {}) == set()
    assert comparison.chosen_random(drawn + searched, {}) == {"b"}
    losses = {name: {"accuracy": accuracy, "loss": 1.0} for name, accuracy in zip("abcd", (0.1, 0.2, 0.2, 0.3))}
    assert comparison.chosen_random(drawn + searched, {"found": losses}) == {"b", "d"}
    again = rows("random", {"b": [None, 0.6]}, chosen=True)[1:]
    found = {d["opponent"]: d["opponent_accuracy"] for d in comparison.differences(drawn + searched + again)}
    assert found["best random"] == pytest.approx(0.71)
    assert found["mean of random"] == pytest.approx((0.5 + 0.8 + 0.71 + 0.6) / 4)
    assert comparison._all_random(comparison.as_drawn(drawn + again))[-2] == "65.25% (50.00% to 80.00%)"
    random = comparison.of_random(drawn + searched + again)
    assert random["best_name"] == "c" and random["repeated"] == 1
    assert ranking.of_networks(comparison.by_name(drawn + again, "random"), {})["trained_twice"] == 1


def test_ranking_by_hand():
    trained = rows("random", {"a": [0.5, 0.6], "b": [0.6, 0.8], "c": [0.7, 0.9], "d": [0.8, 0.7]})
    scored = {"found": {name: {"accuracy": accuracy, "loss": 1 - i / 10} for i, (name, accuracy) in enumerate(
        zip("abcd", (0.1, 0.2, 0.4, 0.3)))}}
    found = ranking.of_networks(comparison.by_name(trained, "random"), scored)
    # Means are 0.55, 0.7, 0.8, 0.75: ranked as by accuracy; by loss one pair of six is the other way round.
    assert found["networks"] == found["trained_twice"] == 4
    assert found["searches"] == [{"search": "found", "accuracy_tau": 1, "loss_tau": pytest.approx(4 / 6),
                                  "best_scored": "c", "its_test_accuracy": pytest.approx(0.8)}]
    assert found["two_seeds_tau"] == pytest.approx((4 - 2) / 6) and found["cost_tau"]["ops"] is None
    assert ranking.of_networks(comparison.by_name(trained[:6], "random"), {}) is None
    differences = comparison.differences(trained + rows("searched", {"found": [0.9]}), found)
    (best,) = (d for d in differences if d["opponent"] == "best of 4 random by the supernet")
    assert best["difference"] == pytest.approx(0.1)


def test_networks_are_scored_by_the_supernet_of_a_search(finished, tmp_path, rng, capsys):
    run, _ = finished
    candidate = json.loads((run / "candidates.json").read_text())["candidates"][0]
    genotype = Genotype.from_dict(candidate["genotype"])
    flags = [f"--flagfile={run / 'config.flags'}", "--deterministic=false"]
    config = command_line.parse("compare", [
        *flags, "--budget_ops=17k", "--num_random=4", "--repeat_random=0", "--references=none", "--train_seeds=1",
        f"--genotypes={run}", "--train_epochs=1", f"--workdir={tmp_path / 'work'}"])
    networks = {"best": genotype, **{str(i): random_genotype(genotype.space, rng) for i in range(3)}}
    file = tmp_path / "scores.json"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    found = ranking.scores(run, config, networks, file)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert found["best"] == {key: pytest.approx(candidate[key], rel=1e-5) for key in ("accuracy", "loss")}
    assert len({values["loss"] for values in found.values()}) == 4
    # What is in the file is not computed again, but for another search.
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(copy / "search" / "checkpoints")
    assert ranking.scores(copy, config, networks, file) == found
    (copy / "candidates.json").write_text("{}")
    with pytest.raises(ValueError, match="keeps no checkpoint"):
        ranking.scores(copy, config, networks, file)
    for flag, words in (("--init_channels=8", "another space"), ("--dataset=mnist", "searched on fashion_mnist_small")):
        with pytest.raises(ValueError, match=words):
            ranking.settings(run, command_line.parse("compare", [*flags, flag]))
    # The program: a search that cannot score is told of, and the rest goes on.
    assert compare.main(config.replace(genotypes=(str(run), str(copy)))) == 0
    told = capsys.readouterr()
    assert "copy: keeps no checkpoint" in told.err and "| accuracy by the supernet of work |" in told.out
    written = json.loads((tmp_path / "work" / "compare.json").read_text())
    assert [search["search"] for search in written["ranking"]["searches"]] == ["work"]
    assert "best of 4 random by the supernet" in [d["opponent"] for d in written["differences"]]


def test_too_few_to_tell():
    trained = rows("random", {"random_0": [0.5]}) + rows("searched", {"a": [0.6]})
    assert all(d["p"] is None and d["interval"] is None for d in comparison.differences(trained))
    assert [d["opponent"] for d in comparison.differences(trained)] == ["mean of random", "best random"]
    assert comparison.differences(rows("random", {"random_0": [0.5]})) == []


# The program


def test_compare_resumes_and_takes_in_more(program, tmp_path, capsys):
    def compared(*flags):
        """What the program prints, but for its start."""
        assert compare.main(command_line.parse("compare", [*map(str, flags)])) == 0
        return capsys.readouterr()

    directory = tmp_path / "work"
    flags = [*TINY, "--references=quicknet", f"--workdir={directory}"]
    done = program("compare", *flags, "--num_random=0")
    assert done.returncode == 0, done.stderr
    assert "compare  network 1 of 1, quicknet, seed 0, begins" in done.stderr
    space = command_line.parse("compare", TINY).search_space
    tables = complexity.cost_tables(space, SHAPE, CLASSES)
    (drawn,) = random_networks.draw(tables, Budget(bops=400e3), 1, seed=0).genotypes
    drawn.save(tmp_path / "found.json")
    done = compared(*flags, "--num_random=1", f"--genotypes={tmp_path / 'found.json'}")
    for words in ("network 1 of 3, random_0, seed 0, begins", "network 2 of 3, found, seed 0, begins, about",
                  "network 3 of 3, quicknet, seed 0, is trained"):
        assert words in done.err, done.err
    assert "| mean of random |" in done.out
    found = json.loads((directory / "compare.json").read_text())
    by_name = {row["name"]: row for row in found["networks"]}
    assert [row["kind"] for row in by_name.values()] == ["random", "searched", "reference"]
    # The same network under the same training.
    for key in ("genotype", "cost", "epochs", "seed", "validation_accuracy", "test_accuracy"):
        assert by_name["found"][key] == by_name["random_0"][key]
    assert Genotype.from_dict(by_name["found"]["genotype"]) == drawn
    assert "genotype" not in by_name["quicknet"] and by_name["quicknet"]["cost"]["bops"] <= 400e3
    # The best random network is trained as often as the searched one.
    done = compared(*flags, "--references=none", "--num_random=1", "--train_seeds=2",
                    f"--genotypes={tmp_path / 'found.json'}")
    for words in ("network 3 of 3, found, seed 1, begins", "network 4 of 4, random_0, seed 1, begins"):
        assert words in done.err, done.err
    again = json.loads((directory / "compare.json").read_text())
    assert [(row["name"], row["seed"], row.get("chosen")) for row in again["networks"]] == [
        ("random_0", 0, None), ("found", 0, None), ("found", 1, None), ("random_0", 1, True)]
    assert again["trainings"] == 4 and again["random"]["repeated"] == 0
    second = command_line.parse("train", [f"--flagfile={directory / 'networks' / 'found_seed1' / 'config.flags'}"])
    assert (second.seed, second.split_seed) == (1, 0)  # as it was trained: all share their validation images
    # What was kept without weights is trained, too.
    kept = shutil.copytree(directory, tmp_path / "kept", ignore=shutil.ignore_patterns("*.h5"))
    done = compared(*flags, f"--workdir={kept}", "--references=none", "--num_random=1", "--train_seeds=2",
                    f"--genotypes={tmp_path / 'found.json'}")
    assert "begins" not in done.err, done.err
    assert (kept / "compare.md").read_text() == (directory / "compare.md").read_text()
    # A reference alone, as the comparison has trained it.
    trained = directory / "networks" / "quicknet_seed0"
    assert (trained / "model.h5").exists() and not (trained / "train" / "checkpoints").exists()
    cli_train.main(command_line.parse(
        "train", [f"--flagfile={trained / 'config.flags'}", f"--workdir={tmp_path / 'one'}"]))
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    assert summary["reference"] == "quicknet" and summary["test_accuracy"] == by_name["quicknet"]["test_accuracy"]
    assert "bin/train --flagfile=" in (tmp_path / "one" / "report.html").read_text()


def test_other_settings_are_refused(tmp_path):
    (tmp_path / "networks").mkdir()
    config = command_line.parse("compare", [*TINY, f"--workdir={tmp_path}"])
    from bars_tf.cli import workdir

    workdir.keep(config, "compare")
    before = (tmp_path / "config.flags").read_bytes()
    with pytest.raises(InputError, match="no_such.json"):
        compare.main(command_line.parse("compare", [*TINY, f"--workdir={tmp_path}", "--genotypes=no_such.json"]))
    assert (tmp_path / "config.flags").read_bytes() == before  # so the run that was there is still what it resumes
    for flag in ("--train_epochs=2", "--train_lr=0.5", "--budget_bops=500k"):
        with pytest.raises(InputError, match="belongs to another configuration"):
            compare.main(command_line.parse("compare", [*TINY, f"--workdir={tmp_path}", flag]))
    more = command_line.parse("compare", [*TINY, f"--workdir={tmp_path}", "--num_random=9", "--references=none"])
    assert workdir.differences(tmp_path / "config.flags", more, "compare") == []


@pytest.mark.parametrize("flags, words", [
    (["--num_random=0", "--references=none"], "--num_random=0: leaves nothing to compare with"),
    (["--budget_bops=1"], "--budget_bops=1: .*reaches from"),
    (["--budget_bops=1G", "--references=none"], "--budget_bops=1000000000: random draws find 0 of 6 .*bops from"),
    (["--init_channels=4", "--budget_bops=5k", "--references=quicknet", "--num_random=0"],
     "--references=quicknet: its smallest"),
    (["--genotypes={path}/none.json"], "--genotypes=.*none.json: No such file"),
    (["--genotypes={path}/broken.json"], "--genotypes=.*broken.json: .*not JSON"),
    (["--genotypes={path}/large.json"], "--genotypes=.*large.json: its bops are .*, above the budget of 400,000"),
    (["--genotypes={path}/strides.json"], "--genotypes=.*strides.json: .*one pixel"),
], ids=str)
def test_bad_input(flags, words, tmp_path):
    (tmp_path / "broken.json").write_text("{")
    references.uniform(SPACE, (8, 8)).save(tmp_path / "large.json")
    deep = SPACE.replace(stem="imagenet_4", layout="RRRR", width_choices=(1.0,))
    references.uniform(deep, (1,) * deep.num_stages).save(tmp_path / "strides.json")
    arguments = [flag.format(path=tmp_path) for flag in (f"--workdir={tmp_path / 'work'}", *flags)]
    with pytest.raises(InputError, match=words):
        compare.main(command_line.parse("compare", [*TINY, *arguments]))


def test_bad_flags(program, tmp_path):
    refused(program("compare", "--flagfile=quickstart_compare.flags", "--num_random=0", "--references=none"),
            ["--num_random=0: leaves nothing to compare with"])
    for flags, words in ((["--references=vgg"], "--references=vgg: must be some of resnet, quicknet, bars_uniform"),
                         (["--num_random=2", "--repeat_random=3"], "--repeat_random=3: must be at most --num_random=2"),
                         (["--train_seeds=0"], "--train_seeds=0|train_seeds"),
                         (["--genotypes=a,a"], "different files")):
        with pytest.raises(InputError, match=words):
            command_line.parse("compare", flags)
    with pytest.raises(InputError, match="--budget_bops: is needed"):
        compare.main(command_line.parse("compare", [f"--workdir={tmp_path}"]))
    for flags in ([], ["--genotype=a.json", "--network=quicknet"]):
        with pytest.raises(InputError, match="--genotype, --network: exactly one of them is needed"):
            command_line.parse("train", flags)
    with pytest.raises(InputError, match="--network=quicknet: needs a budget"):
        command_line.parse("train", ["--network=quicknet"])
    with pytest.raises(InputError, match="--network=bars_uniform: its smallest"):
        cli_train.main(command_line.parse("train", [*TINY[:-1], "--network=bars_uniform", "--budget_bops=5k",
                                                f"--workdir={tmp_path}"]))


@pytest.mark.long
def test_a_killed_comparison_ends_as_one_that_was_not(program, tmp_path):
    flags = [*TINY, "--num_random=2", "--references=none", "--train_epochs=4", "--max_steps=10", "--deterministic"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen([ROOT / "bin" / "compare", *flags, f"--workdir={tmp_path / 'killed'}"], text=True,
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PATH": path})
    second = False
    for line in process.stderr:
        second = second or "network 2 of 2" in line
        if second and "epoch 2/4" in line:
            process.kill()
            break
    process.communicate()
    for name in ("killed", "whole"):
        done = program("compare", *flags, f"--workdir={tmp_path / name}")
        assert done.returncode == 0, done.stderr
        assert ("random_0, seed 0, is trained" in done.stderr) == (name == "killed")
        assert ("epoch 1/4" in done.stderr) == (name == "whole")
    killed, whole = ([{**row, "train_seconds": 0} for row in json.loads((tmp_path / name / "compare.json").read_text())[
        "networks"]] for name in ("killed", "whole"))
    assert killed == whole


@pytest.mark.long
def test_quickstart_compare(program, tmp_path):
    """At most 10 minutes on two quiet cores."""
    flags = ["--flagfile=quickstart_compare.flags", f"--workdir={tmp_path / 'work'}"]
    done = program("compare", *flags, timeout=1800)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "work" / "compare.json").read_text())
    assert len(found["networks"]) == found["trainings"] == 11
    assert all(row["cost"]["bops"] <= 3e6 and row["epochs"] == 5 for row in found["networks"])
    done = program("search", flags[0], f"--workdir={tmp_path / 'found'}", timeout=1800)
    assert done.returncode == 0, done.stderr
    done = program("compare", *flags, f"--genotypes={tmp_path / 'found'}", timeout=1800)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = json.loads((tmp_path / "work" / "compare.json").read_text())["ranking"]
    assert found["networks"] == 6 and [search["search"] for search in found["searches"]] == ["found"]
    assert "accuracy by the supernet of found" in done.stdout
