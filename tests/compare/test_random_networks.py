"""Random networks at equal cost: exact costs of drawn topologies, the band of the budget, uniform draws."""

import collections
import itertools

import numpy as np
import pytest

from bars_tf.compare import random_networks
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.space.backbones import nasb
from bars_tf.space.encoding import Choices, genotype_of, random_genotype
from bars_tf.space.presets import BARS_PAPER, BARS_SMALL

SHAPE, CLASSES = (28, 28, 1), 10
SPACE = BARS_SMALL.replace(init_channels=8, stem_channels=8, num_nodes=2, layout="NRN")


@pytest.mark.parametrize("space", [SPACE, BARS_PAPER.replace(stem="cifar_2"), SPACE.replace(
    primitives=("skip", "bin_conv_3x3"), sharing="all")], ids=["small", "bars", "no_none"])
def test_costs_of_drawn_topologies_are_exact(space, rng):
    tables = cost_tables(space, SHAPE, CLASSES)
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
        assert costs.used(picks)[0] == pytest.approx(budget.used(cost_of(made, tables)))
        assert not costs.used(picks)[0] >= 0.95 or costs.used(picks)[0] > 1 or costs.reach()


def test_random_networks_of_a_backbone(rng, monkeypatch):
    """Of more inputs than the space keeps any stay; costs are exact with rows left out, too."""
    space = nasb("resnet20", 0.5)
    tables = cost_tables(space, SHAPE, CLASSES)
    budget = Budget(ops=float(np.median([cost_of(random_genotype(space, rng), tables).ops
                                         for _ in range(20)])))
    monkeypatch.setattr(random_networks, "WALK", 5)
    drawn = random_networks.draw(tables, budget, 120, seed=0)  # more than may be given up in a row
    assert len({genotype.canonical() for genotype in drawn.genotypes}) == 120
    for genotype in drawn.genotypes:
        assert 0.95 <= budget.used(cost_of(genotype, tables)) <= 1
        assert max(len(node) for topology in genotype.topologies for node in topology) <= 2


@pytest.mark.parametrize("budget", [Budget(bops=600e3, size_bytes=20e3),
                                    Budget(bops=200e3, peak_bytes=20e3), Budget(peak_bytes=28.3e3)], ids=str)
def test_random_networks_keep_to_the_band(budget):
    tables = cost_tables(SPACE, SHAPE, CLASSES)
    drawn = random_networks.draw(tables, budget, 12, seed=3)
    assert len(set(drawn.genotypes)) == 12
    assert all(0.95 <= budget.used(cost_of(g, tables)) <= 1 for g in drawn.genotypes)
    assert random_networks.draw(tables, budget, 5, seed=3).genotypes == drawn.genotypes[:5]
    assert drawn.acceptance == pytest.approx((drawn.reachable - drawn.given_up) / drawn.topologies)
    with pytest.raises(ValueError, match="find 0 of 2 different networks at 95% to 100% of the budget; .* bops from"):
        random_networks.draw(tables, Budget(bops=1e12), 2, seed=0)


def test_random_networks_are_uniform():
    """Widths and depths are, among those with a network in the band; and so are then the topologies."""
    space = SPACE.replace(layout="NR", width_choices=(0.5, 1.0))
    tables, budget = cost_tables(space, SHAPE, CLASSES), Budget(bops=500e3)
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
        drawn[genotype.widths, genotype.depths].append(budget.used(cost_of(genotype, tables)))
    assert set(drawn) == set(inside)
    share = 1 / len(inside)
    for macro, used in inside.items():
        assert abs(len(drawn[macro]) / 400 - share) < 4 * np.sqrt(share * (1 - share) / 400)
        assert abs(np.mean(drawn[macro]) - used.mean()) < 4 * used.std() / np.sqrt(len(drawn[macro])) + 1e-9
