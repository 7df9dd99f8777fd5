"""Costs by the tables of a space."""

import pytest
from small_spaces import (
    CLASSES,
    NASB,
    ODD_SHAPE,
    SMALL,
    TINY_NASB,
    TWO_PATHS,
    sampled_genotypes,
)

from bars_tf.cost import deployment
from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import PEAK
from bars_tf.cost.tables import cost_by_cell, cost_of, cost_tables
from bars_tf.search.derivation.optimum import check_budget, cost_range
from bars_tf.space.presets import BARS, BARS_PAPER


def test_the_peak_of_a_budget_is_that_of_the_largest_part_and_never_below_the_networks(rng):
    """Little above it where a cell has one edge; there primitives differ in what they need at stride 2."""
    one_edge = BARS.replace(layout="NRN", init_channels=8)
    for space in (one_edge, SMALL, NASB, TWO_PATHS, BARS_PAPER, TINY_NASB):
        tables = cost_tables(space, ODD_SHAPE, CLASSES)
        for genotype in sampled_genotypes(space, rng, 40):
            found = cost_of(genotype, tables).peak_bytes
            exact = deployment.deployment_cost(genotype, ODD_SHAPE, CLASSES).peak_activation_bytes
            assert exact <= found == max(c.peak_bytes for _, c in cost_by_cell(genotype, tables))
            assert exact > 0.9 * found or space is not one_edge


@pytest.mark.parametrize("changes", [{"layout": "NNN", "primitives": ("skip", "bin_conv_3x3")},
                                     {"primitives": ("none",)}, {"primitives": ("skip",), "sharing": "all"}], ids=str)
def test_spaces_without_a_choice_have_peaks(changes, rng):
    space = BARS_PAPER.replace(**changes)
    tables = cost_tables(space, (16, 16, 3), CLASSES)
    smallest, largest = cost_range(tables, PEAK)
    found = [cost_of(genotype, tables).peak_bytes for genotype in sampled_genotypes(space, rng, 20)]
    assert smallest <= min(found) and max(found) <= largest
    check_budget(tables, Budget(peak_bytes=smallest))
