"""Greedy growth to the budget."""

import dataclasses
import itertools

import pytest
from small_spaces import random_alphas

from bars_tf.cost.budget import NEARLY_ALL, Budget
from bars_tf.cost.measures import PEAK
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.search.derivation.candidates import candidates, grow_to_budget, uniform_networks
from bars_tf.search.derivation.optimum import cost_range, most_probable
from bars_tf.space.encoding import Choices, one_hot
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS, BARS_PAPER, BARS_SMALL, NASB

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("loss_of_a_small_one, grown", [(4.0, "normal_2"), (0.5, "normal_1")])
def test_a_network_grows_by_what_the_alphas_mind_least_for_what_it_uses(loss_of_a_small_one, grown):
    """A 3x3 convolution takes nine times what a 1x1 one does: it is worth as much where it loses nine times as much."""
    space = BARS.replace(layout="NNRNN")
    tables = cost_tables(space, (32, 32, 3), 10)
    none, one, three = (space.primitives.index(name) for name in ("none", "bin_conv_1x1", "bin_conv_3x3"))

    def network(*chosen):
        return Genotype(space, (0.5, 0.5), (2, 2), tuple(
            (((0, dict(chosen)[group]),),) if group in dict(chosen) else ((),) for group in space.groups))

    small, large = network(), network(("normal_2", "bin_conv_3x3"))
    alphas = Choices(*(20.0 * choices for choices in one_hot(small)))
    alphas.edges[space.groups.index("normal_1"), 0, one] = 20 - loss_of_a_small_one
    alphas.edges[space.groups.index("normal_2"), 0, three] = 20 - 9.0
    budget = Budget(bops=cost_of(large, tables).bops)
    assert most_probable(alphas, tables, budget) == small and alphas.edges[0, 0, none] == 20
    found = grow_to_budget(small, alphas, tables, budget)
    assert [group for group, topology in zip(space.groups, found.topologies) if any(topology)] == [grown]


def test_growth_ends_where_no_single_change_fits(rng):
    space, budget = BARS_PAPER, Budget(bops=15e6, size_bytes=70e3)
    tables = cost_tables(space, (32, 32, 3), 10)

    def use(genotype):
        return sum(budget.fractions(cost_of(genotype, tables)).values())

    alphas = random_alphas(space, rng)
    small = most_probable(alphas, tables, Budget(bops=4e6))
    used = budget.used(cost_of(small, tables))
    assert used < NEARLY_ALL and grow_to_budget(small, alphas, tables, budget, used) == small
    grown = grow_to_budget(small, alphas, tables, budget)
    assert NEARLY_ALL <= budget.used(cost_of(grown, tables)) <= 1
    assert grow_to_budget(grown, alphas, tables, budget) == grown
    for stage, width in itertools.product(range(space.num_stages), space.width_choices):
        wider = dataclasses.replace(grown, widths=(*grown.widths[:stage], width, *grown.widths[stage + 1:]))
        assert use(wider) <= use(grown) or not budget.allows(cost_of(wider, tables))
    for at, (source, target) in itertools.product(range(len(space.groups)), space.edges):
        topology = [dict(node) for node in grown.topologies[at]]
        topology[target - 1][source] = "bin_conv_3x3"
        if len(topology[target - 1]) <= space.most_inputs:
            more = dataclasses.replace(grown, topologies=(*grown.topologies[:at], tuple(
                tuple(sorted(node.items())) for node in topology), *grown.topologies[at + 1:]))
            assert use(more) <= use(grown) or not budget.allows(cost_of(more, tables))


def test_a_network_grows_in_operations_where_memory_is_limited_too(rng):
    """Most changes leave memory as it is, which else would end the growth, or count as use of the budget."""
    space = BARS
    tables = cost_tables(space, (32, 32, 3), 10)
    ops, peak = (cost_range(tables, name) for name in ("ops", PEAK))
    budget = Budget(ops=0.4 * ops[0] + 0.6 * ops[1], peak_bytes=0.2 * peak[0] + 0.8 * peak[1])
    for _ in range(5):
        genotype = grow_to_budget(most_probable(random_alphas(space, rng), tables, budget),
                                 random_alphas(space, rng), tables, budget)
        cost = cost_of(genotype, tables)
        assert budget.allows(cost) and cost.ops >= NEARLY_ALL * budget.ops


@pytest.mark.parametrize("changes", [
    {}, {"sharing": "all"}, {"num_nodes": 2, "max_inputs": 2, "primitives": ("skip", "bin_conv_3x3")},
    {"num_nodes": 3, "max_inputs": 1}], ids=str)
def test_a_shallow_network_grows_deeper(changes, rng):
    space = BARS_SMALL.replace(layout="NNRN", **changes)
    tables = cost_tables(space, (32, 32, 3), 10)
    _, largest = cost_range(tables, "bops")
    for _ in range(5):
        alphas = random_alphas(space, rng)
        alphas.depths[:, 0] += 20
        small = most_probable(alphas, tables, Budget(bops=0.8 * largest))
        assert small.depths == (0, 0)
        grown = grow_to_budget(small, alphas, tables, Budget(bops=0.8 * largest))
        assert 0.8 < cost_of(grown, tables).bops / (0.8 * largest) <= 1 and grown.depths != small.depths
        assert grow_to_budget(small, alphas, tables, Budget(bops=largest)) == small


@pytest.mark.parametrize("space, budget", [
    (BARS.replace(stem="conv_3x3_2"), Budget(bops=4e6, flops=2e5)), (BARS_PAPER, Budget(bops=15e6)),
    (BARS_PAPER.replace(num_nodes=2, max_inputs=1, sharing="all"), Budget(ops=2e7))], ids=["bars", "paper", "inputs"])
def test_uniform_networks_are_one_of_each_depth_and_as_wide_as_the_budget_allows(space, budget):
    tables = cost_tables(space, (32, 32, 3), 10)
    found = list(uniform_networks(tables, budget))
    assert found and len({network.depths for network in found}) == len(found)
    for network in found:
        assert len(set(network.depths)) == 1 and budget.allows(cost_of(network, tables))
        for position in network.active_cells():
            names = {name for node in network.topology(position.group) for _, name in node}
            assert names == (set() if position.opens_stage and space is not BARS_PAPER and budget.flops else
                             {"bin_conv_3x3"})
        picks = sorted(map(space.width_choices.index, network.widths))
        assert picks[-1] - picks[0] <= 1
        if picks[0] + 1 < len(space.width_choices):
            wider = tuple(space.width_choices[max(picks[0] + 1, space.width_choices.index(w))] for w in network.widths)
            larger = cost_of(dataclasses.replace(network, widths=wider), tables)
            assert wider == network.widths or not budget.allows(larger)


def test_candidates_have_the_networks_that_one_would_make_by_hand(rng):
    space, budget = BARS.replace(stem="conv_3x3_2"), Budget(bops=4e6, flops=2e5)
    tables = cost_tables(space, (32, 32, 3), 10)
    origins = [c.origin for c in candidates(random_alphas(space, rng), tables, budget, 3, 0)]
    assert origins == ["most probable", *["sampled"] * 3, *["uniform"] * 4]


def test_a_backbone_has_no_uniform_networks():
    assert not list(uniform_networks(cost_tables(NASB, (32, 32, 3), 10), Budget(ops=1e9)))
