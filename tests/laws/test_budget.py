"""Budget law: derivation finds the best genotype within its budget, and none above."""

import pytest
from small_spaces import (
    DEVICE,
    log_probability,
    random_alphas,
)

from bars_tf.cost import overhead
from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import LATENCY, PEAK
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.search.derivation.candidates import candidates
from bars_tf.search.derivation.optimum import check_budget, cost_range, most_probable
from bars_tf.space import backbones
from bars_tf.space.backbones import nasb
from bars_tf.space.presets import BARS_PAPER


def test_budget_law_most_probable_is_brute_force(enumerated, rng):
    tables, everything = enumerated
    most = tables.space.max_inputs or tables.space.num_nodes
    everything = [e for e in everything if all(len(node) <= most for t in e[1].topologies for node in t)]
    bops, sizes, peaks, times, elementwise = (
        sorted(getattr(cost, name) for *_, cost in everything)
        for name in ("bops", "size_bytes", PEAK, LATENCY, "elementwise_ops"))
    limits = [{"bops": bops[part], "size_bytes": sizes[2 * len(sizes) // 3]}
              for part in (0, len(bops) // 20, len(bops) // 3, -1)]
    limits += [{PEAK: peaks[part]} for part in (0, len(peaks) // 10, len(peaks) // 2)]
    limits += [{PEAK: peaks[len(peaks) // 3], "bops": bops[len(bops) // 3]}]
    limits += [{LATENCY: times[part]} for part in (0, len(times) // 20, len(times) // 4, len(times) // 2)]
    limits += [{LATENCY: times[len(times) // 3], "bops": bops[len(bops) // 3]},
               {"elementwise_ops": elementwise[len(elementwise) // 5]}]
    for each in limits:
        budget = Budget(**each, device=DEVICE)
        alphas = random_alphas(tables.space, rng)
        allowed = [(log_probability(c, alphas), g) for c, g, cost in everything if budget.allows(cost)]
        assert allowed
        found = most_probable(alphas, tables, budget)
        assert found in {g for score, g in allowed if score > max(s for s, _ in allowed) - 1e-9}


def test_budget_law_never_exceeded(rng):
    space = BARS_PAPER
    tables = cost_tables(space, (32, 32, 3), 10)
    for i in range(14):
        budget = (Budget(bops=3e6), Budget(bops=2e7, flops=1e6), Budget(ops=1.1e6), Budget(size_bytes=12e3),
                  Budget(ops=3e6, size_bytes=1e5), Budget(params=2e5),
                  Budget(bops=2e7, peak_bytes=4e5))[i % 7]
        genotype = most_probable(random_alphas(space, rng, 10.0 ** rng.integers(-2, 2)), tables, budget)
        assert budget.allows(cost_of(genotype, tables))
    for candidate in candidates(random_alphas(space, rng), tables, Budget(bops=5e6), 8, seed=0):
        assert candidate.cost.bops <= 5e6


def test_impossible_budgets_are_refused(enumerated):
    tables, everything = enumerated
    most = tables.space.max_inputs or tables.space.num_nodes
    everything = [e for e in everything if all(len(node) <= most for t in e[1].topologies for node in t)]
    for name in (PEAK, LATENCY, "elementwise_ops", "ops"):
        smallest, largest = cost_range(tables, name)
        assert smallest == min(getattr(cost, name) for *_, cost in everything)
        assert largest == max(getattr(cost, name) for *_, cost in everything)
    with pytest.raises(ValueError, match=f"reaches from {smallest:.6g} to {largest:.6g}"):
        check_budget(tables, Budget(ops=smallest - 1))
    check_budget(tables, Budget(ops=smallest))


def test_overhead_law(rng):
    """Never above the share of the backbone's cost; at 0 nothing that costs anything stays."""
    space = nasb("resnet20")
    tables = cost_tables(space, (32, 32, 3), 10)
    base = cost_of(backbones.backbone(space), tables)
    for i in range(12):
        share = (0.1, 0.05, 0.3, 0.0)[i % 4]
        budget = overhead.budget(Budget(), str(share), tables)
        genotype = most_probable(random_alphas(space, rng, 10.0 ** rng.integers(-2, 2)), tables, budget)
        assert all(above <= share for above in overhead.overhead_of(cost_of(genotype, tables), base).values())
        assert all(len(node) <= 2 for topology in genotype.topologies for node in topology)
        assert share or genotype == backbones.backbone(space)
    assert overhead.budget(Budget(), "none", tables) == Budget()
    assert set(overhead.budget(Budget(), "bops:0.2", tables).limits()) == {"bops"}
