"""Rankings, and families of networks from one search."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from helpers import TINY, run_program
from small_spaces import random_alphas

from bars_tf.cli.flag_values import parse_budgets
from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import Budget
from bars_tf.legacy_keras import tf
from bars_tf.report import run as run_files
from bars_tf.search import family
from bars_tf.search.derivation import evolution
from bars_tf.search.derivation.candidates import candidates
from bars_tf.search.derivation.growth import grow_to_budget
from bars_tf.search.derivation.optimum import most_probable
from bars_tf.search.derivation.reach import cost_range
from bars_tf.search.ranking import rank
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.encoding import Choices, one_hot, random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS, BARS_PAPER, BARS_SMALL

SPACE = BARS_PAPER.replace(init_channels=4, layout="NRN", num_nodes=2, width_choices=(0.5, 1.0), stem="cifar_2")


@pytest.fixture(scope="module")
def batches():
    """Noise over three patterns."""
    rng = np.random.default_rng(0)
    labels, patterns = rng.integers(0, 3, 128), rng.normal(size=(3, 16, 16, 1))
    images = patterns[labels] + 3 * rng.normal(size=(128, 16, 16, 1))
    return [(tf.constant(images, tf.float32), tf.constant(labels, tf.int32))]


@pytest.fixture(scope="module")
def supernet(batches):
    """Trained a little, with random alphas."""
    tf.keras.utils.set_random_seed(0)
    supernet = Supernet(SPACE, (16, 16, 1), 3)
    supernet.compile(tf.keras.optimizers.legacy.Adam(1e-2), budget=Budget(ops=5.6e3))
    step = tf.function(lambda: (supernet.weight_step(*batches[0]), supernet.search_step.assign_add(1)), autograph=False)
    for _ in range(20):
        step()
    rng = np.random.default_rng(0)
    for variable, alphas in zip(supernet.arch_variables, random_alphas(SPACE, rng)):
        variable.assign(alphas)
    return supernet


def test_evolution_goes_on_from_the_scores_that_are_known(supernet, batches):
    ranked = rank(supernet, batches, 3, num_children=30)
    assert [c.origin for c in ranked].count("evolved") == 30
    shown, known = [], {c.genotype: (c.accuracy, c.loss) for c in ranked}
    again = rank(supernet, None, 3, lambda *values: shown.append(values), known, num_children=30)
    assert again == ranked and [number for _, number, _ in shown] == list(range(1, len(ranked) + 1))


@pytest.mark.parametrize("num, seed", [(8, 0), *((0, seed) for seed in range(3))])  # 0: the most probable ones alone
def test_a_family_keeps_its_budgets_and_larger_ones_are_scored_no_worse(supernet, batches, num, seed):
    for variable, alphas in zip(supernet.arch_variables, random_alphas(SPACE, np.random.default_rng(seed))):
        variable.assign(alphas)
    limits = (4.0e3, 4.4e3, 4.8e3, 5.2e3, 5.6e3)
    found = family.derived(supernet, batches, {limit: Budget(ops=limit) for limit in limits}, num)
    members = [ranked[0] for ranked in found.values()]
    assert tuple(found) == limits
    for limit, member in zip(limits, members):
        assert 0.9 * limit <= member.cost.ops <= limit
    assert all(a.accuracy <= b.accuracy for a, b in zip(members, members[1:]))


def test_measures_of_budgets():
    for name, measure in (("", "ops"), ("bops:", "bops"), ("flops:", "flops"), ("params:", "params"),
                          ("size:", "size_bytes"), ("peak:", "peak_bytes")):
        assert parse_budgets(f"{name}50k,90k") == (measure, (50e3, 90e3))


@pytest.mark.parametrize("value", ["90k,50k", "50k,50k", "50k", "50k,12Q", "weight:1,2", "params:2k,1k", ""])
def test_malformed_budgets(value):
    with pytest.raises(ValueError, match="must be"):
        parse_budgets(value)
