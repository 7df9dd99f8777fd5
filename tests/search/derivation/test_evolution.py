"""Candidates and their children."""

import numpy as np
import pytest
from small_spaces import NASB, random_alphas

from bars_tf.cost.budget import NEARLY_ALL, Budget
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.search.derivation import evolution
from bars_tf.search.derivation.candidates import candidates, grow_to_budget
from bars_tf.space.encoding import random_genotype
from bars_tf.space.presets import BARS, BARS_PAPER

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("space, budget", [
    (BARS_PAPER, Budget(bops=15e6)), (BARS_PAPER, Budget(ops=1.2e6, size_bytes=60e3)),
    (BARS_PAPER.replace(primitives=("skip", "bin_conv_3x3")), Budget(bops=15e6)), (NASB, Budget(bops=4e6))])
def test_candidates_and_their_children_keep_the_budget_and_use_it(space, budget, rng):
    tables, alphas = cost_tables(space, (32, 32, 3), 10), random_alphas(space, rng)
    parents = [c.genotype for c in candidates(alphas, tables, budget, 5, seed=0)]
    assert len({genotype.canonical() for genotype in parents}) == len(parents)
    seen = set(parents)
    for _ in range(50):
        child = evolution.child(parents, seen, tables, budget, rng)
        assert child.canonical() not in {genotype.canonical() for genotype in seen}
        seen.add(child)
    for genotype in seen:
        cost = cost_of(genotype, tables)
        assert budget.allows(cost) and budget.used(cost) >= NEARLY_ALL
        assert all(len(node) <= (space.max_inputs or 9) for topology in genotype.topologies for node in topology)
        if "none" not in space.primitives:
            assert all(genotype.primitive(cell.group, edge) in space.primitives
                       for cell in genotype.active_cells() for edge in space.edges)


@pytest.mark.parametrize("space, budget", [
    (BARS.replace(stem="conv_3x3_2"), Budget(bops=4e6, flops=2e5)), (NASB, Budget(bops=4e6)),
    (BARS_PAPER, Budget(ops=1.2e6, size_bytes=60e3))])
def test_uniform_draws_move_to_the_budget(space, budget, rng):
    """At least 90 % of them use 90 to 100 % of it; of the draws themselves hardly any."""
    tables = cost_tables(space, (32, 32, 3), 10)
    drawn = [random_genotype(space, rng) for _ in range(40)]
    moved = [evolution.moved_to_budget(genotype, tables, budget, rng) for genotype in drawn]
    used = [[budget.used(cost_of(genotype, tables)) for genotype in found] for found in (drawn, moved)]
    inside = np.mean([[NEARLY_ALL <= fraction <= 1 for fraction in found] for found in used], axis=1)
    assert inside[0] < 0.5 and inside[1] >= 0.9 and len({genotype.canonical() for genotype in moved}) >= 36


@pytest.mark.long
def test_children_of_the_best_score_higher_than_random_networks_that_cost_as_much(rng):
    """By a score that needs no training, whose rounding depends on the machine: the share of skips."""
    space, budget = BARS_PAPER, Budget(bops=15e6)
    tables = cost_tables(space, (32, 32, 3), 10)

    def score(genotype):
        return np.mean([name == "skip" for topology in genotype.topologies for node in topology for _, name in node])

    at_random = []
    while len(at_random) < 30:
        genotype = grow_to_budget(random_genotype(space, rng), random_alphas(space, rng), tables, budget)
        if NEARLY_ALL <= budget.used(cost_of(genotype, tables)) <= 1:
            at_random.append(genotype)
    scored = list(at_random)
    for _ in range(60):
        scored.sort(key=score, reverse=True)
        scored.append(evolution.child(scored, set(scored), tables, budget, rng))
    children = [score(genotype) for genotype in scored if genotype not in at_random]
    assert np.mean(children) > np.mean([score(genotype) for genotype in at_random]) + 0.05
