"""Costs by the tables of a space."""

import pytest
from small_spaces import (
    CLASSES,
    DEVICE,
    FULL_WIDTH,
    NASB,
    ODD_SHAPE,
    SMALL,
    TINY_NASB,
    TRANSITION,
    TWO_PATHS,
    sampled_genotypes,
)

from bars_tf.cost import deployment, operations
from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import PEAK
from bars_tf.cost.tables import cost_by_cell, cost_of, cost_tables
from bars_tf.network.layer_list import layers_of
from bars_tf.search.derivation.optimum import check_budget, cost_range
from bars_tf.space.presets import BARS, BARS_PAPER


def test_the_peak_of_a_budget_is_that_of_the_largest_part_and_never_below_the_networks(rng):
    """Little above it where a cell has one edge; there primitives differ in what they need at stride 2."""
    one_edge = BARS.replace(layout="NRN", init_channels=16)
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


@pytest.mark.parametrize("space", [SMALL, FULL_WIDTH, TRANSITION, NASB, NASB.replace(sharing="reduction"), TWO_PATHS,
                                   SMALL.replace(plain_convolutions=True), BARS_PAPER, BARS,
                                   SMALL.replace(width_choices=(1.0,), kernel_quantizer="magnitude_aware_sign")],
                         ids=["small", "full_width", "transition", "nasb", "nasb_shared", "two_paths", "plain", "paper",
                              "bars", "scaled"])
def test_times_and_elementwise_operations_are_those_of_the_network(space, rng):
    """Exactly, but for nodes that are the same tensor (a shortcut alone, say), a ReLU that opens a part, and a batch
    norm behind a single convolution: there the network takes a little less than a budget counts."""
    tables, exact = cost_tables(space, ODD_SHAPE, CLASSES, DEVICE), 0
    genotypes = list(sampled_genotypes(space, rng, 40))
    for genotype in genotypes:
        found, layers = cost_of(genotype, tables), layers_of(genotype, ODD_SHAPE, CLASSES)
        time = sum(map(DEVICE.time_us, operations.operations(layers, operations.scales_kernels(space))))
        assert time <= found.latency_us < 1.1 * time
        assert deployment.elementwise_ops(layers) <= found.elementwise_ops
        exact += time == found.latency_us and deployment.elementwise_ops(layers) == found.elementwise_ops
        parts = cost_by_cell(genotype, tables)
        assert sum(cost.latency_us for _, cost in parts) == found.latency_us
        assert cost_of(genotype, cost_tables(space, ODD_SHAPE, CLASSES)) == found._replace(latency_us=0)
    assert exact > 0.3 * len(genotypes) or space.head_activation == "relu"  # which opens the last part
