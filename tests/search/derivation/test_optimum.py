"""The costs by which the most probable genotype is found; that it is the one, `laws/test_budget` says."""

import numpy as np
import pytest
from small_spaces import DEVICE, NASB, SMALL, random_alphas

from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import MEASURES
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.search.derivation.optimum import MacroCosts, macros, most_probable
from bars_tf.space.encoding import Choices, chosen_edges, genotype_of, one_hot, random_genotype


@pytest.mark.parametrize("space", [SMALL, NASB], ids=["bars", "nasb"])
def test_macro_costs_and_those_of_edges_are_the_exact_cost(space, rng):
    tables = cost_tables(space, (16, 16, 3), 10, DEVICE)
    for _ in range(20):
        genotype = random_genotype(space, rng)
        widths, depths, _ = (rows.argmax(-1) for rows in one_hot(genotype))
        costs = MacroCosts(tables, widths, depths, np.array(list(MEASURES.values())))
        total, peaks = costs.fixed.copy(), [costs.peak]
        for group in costs.groups():
            if any(genotype.topology(group)):
                chosen = chosen_edges(genotype)[space.groups.index(group)]
                total += tables.features.of(chosen) @ costs.terms(group)
                peaks.append(costs.full_peak(group))
        exact = cost_of(genotype, tables)
        np.testing.assert_allclose(total, [getattr(exact, name) for name in MEASURES])
        assert max(peaks) == exact.peak_bytes


def test_without_a_budget_it_is_the_argmax_of_every_choice(rng):
    space = SMALL.replace(max_inputs=None)
    tables = cost_tables(space, (16, 16, 3), 10)
    for _ in range(5):
        alphas = random_alphas(space, rng)
        argmax = genotype_of(space, Choices(*(a.argmax(-1) for a in alphas)))
        assert most_probable(alphas, tables, Budget()) == argmax


def test_macros_are_all_widths_and_depths():
    found = list(macros(SMALL))
    assert len(set(found)) == len(found) == np.prod([
        len(SMALL.width_choices) * len(SMALL.depths(stage)) for stage in range(SMALL.num_stages)])
