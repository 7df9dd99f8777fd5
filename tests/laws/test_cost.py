"""Cost law: the cost of a genotype is what Larq counts, the expected cost the mean over genotypes."""

import numpy as np
import pytest
from small_spaces import (
    kept_choices,
    log_probability,
    random_alphas,
    softmax,
)

from bars_tf.cost.expected import expected_cost
from bars_tf.cost.tables import cost_by_cell, cost_of, cost_tables
from bars_tf.legacy_keras import lq, tf
from bars_tf.space import backbones
from bars_tf.space.backbones import nasb
from bars_tf.space.encoding import Choices, genotype_of, one_hot
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_PAPER


def chain_of_convolutions(space):
    return tuple(tuple((i, "bin_conv_3x3" if i == j - 1 else "skip") for i in range(j))
                 for j in range(1, space.num_nodes + 1))


def all_convolutions(space):
    return tuple(tuple((i, "bin_conv_3x3") for i in range(j)) for j in range(1, space.num_nodes + 1))


@pytest.mark.parametrize("topology, bops, binary_params", [
    (all_convolutions, 450.9, 1.753), (chain_of_convolutions, 238.6, 0.965)])
def test_reference_costs_of_bars(topology, bops, binary_params):
    """Figures in the convention of the authors' code, two operations a multiply-accumulate, millions:
    stem 9*3*16*1024 + 16*64*1024, head 256*10."""
    space = BARS_PAPER
    genotype = Genotype(space, (1.0,) * 3, (2,) * 3, (topology(space),) * len(space.groups))
    cost = cost_of(genotype, cost_tables(space, (32, 32, 3), 10))
    assert cost.flops == 9 * 3 * 16 * 1024 + 16 * 64 * 1024 + 256 * 10
    assert round(2 * cost.flops / 1e6, 2) == 2.99
    assert round(2 * cost.bops / 1e6, 1) == bops
    assert round(cost.binary_params / 1e6, 3) == binary_params


def test_resnet18_costs_what_the_bi_real_network_of_larq_zoo_does():
    import larq_zoo as lqz  # takes the Keras that `legacy_keras` has chosen

    space = nasb("resnet18")
    cost = cost_of(backbones.backbone(space), cost_tables(space, (224, 224, 3), 1000))
    profile = lq.models.ModelProfile(lqz.literature.BiRealNet(weights=None))
    assert (cost.bops, cost.flops) == (profile.op_count("mac", 1), profile.op_count("mac", 32))
    assert (cost.params, cost.size_bytes * 8) == (profile.weight_count(), profile.memory)


@pytest.fixture(scope="module")
def drawn(enumerated):
    """What every raw choice may become under the limit of inputs: (raw choice, its share, genotype, cost)."""
    tables, everything = enumerated
    costs, found = {genotype: cost for _, genotype, cost in everything}, []
    for choice, *_ in everything:
        kept = [genotype_of(tables.space, indices) for indices in kept_choices(tables.space, choice)]
        found += [(choice, 1 / len(kept), genotype, costs[genotype]) for genotype in kept]
    return tables, found


def test_expected_cost_is_full_enumeration(drawn, rng):
    tables, everything = drawn
    for _, _, genotype, cost in everything[::max(1, len(everything) // 100)]:
        assert tuple(expected_cost(tables, one_hot(genotype))) == cost
    for scale in (0.1, 1.0, 3.0):
        alphas = random_alphas(tables.space, rng, scale)
        mean = sum(np.exp(log_probability(c, alphas)) * share * np.array(cost) for c, share, _, cost in everything)
        expected = expected_cost(tables, Choices(*map(softmax, alphas)))
        np.testing.assert_allclose(expected[:-1], mean[:-1], rtol=1e-9)  # without memory
        probabilities = Choices(*(tf.constant(softmax(a)) for a in alphas))
        np.testing.assert_allclose(expected_cost(tables, probabilities, xp=tf), expected, rtol=1e-9)


def test_expected_peak_lies_between_the_mean_of_each_part_and_that_of_the_largest(drawn, rng):
    """It is exact where probabilities are one-hot, and has a gradient."""
    tables, everything = drawn
    for scale in (0.1, 1.0, 3.0, 1000.0):
        alphas = random_alphas(tables.space, rng, scale)
        mean, of_parts = 0, {}
        for choice, share, genotype, whole in everything:
            probability = np.exp(log_probability(choice, alphas)) * share
            mean += probability * whole.peak_bytes
            for name, cost in cost_by_cell(genotype, tables):
                of_parts[name] = of_parts.get(name, 0) + probability * cost.peak_bytes
        expected = expected_cost(tables, Choices(*map(softmax, alphas)))[-1]
        assert max(of_parts.values()) * (1 - 1e-9) <= expected <= mean * (1 + 1e-9)
        if scale == 1000:
            assert expected == pytest.approx(mean)
        probabilities = Choices(*(tf.constant(softmax(a)) for a in alphas))
        with tf.GradientTape() as tape:
            tape.watch(probabilities)
            found = expected_cost(tables, probabilities, xp=tf)[-1]
        assert found.numpy() == pytest.approx(expected)
        assert np.abs(tape.gradient(found, probabilities)[0]).max() > 0  # of widths


@pytest.mark.parametrize("space", [BARS_PAPER, nasb("resnet20")], ids=["bars", "nasb"])
def test_expected_cost_is_the_mean_of_samples(space, rng):
    tables = cost_tables(space, (32, 32, 3), 10)
    for scale in (0.5, 2.0):
        alphas = random_alphas(space, rng, scale)
        costs = []
        for _ in range(2000):
            hard = Choices(*(np.eye(a.shape[-1])[(a + rng.gumbel(size=a.shape)).argmax(-1)] for a in alphas))
            costs.append(expected_cost(tables, hard)[:-1])  # without memory
        costs = np.array(costs)
        error = np.abs(costs.mean(0) - expected_cost(tables, Choices(*map(softmax, alphas)))[:-1])
        assert (error <= 4 * costs.std(0) / np.sqrt(len(costs))).all()
