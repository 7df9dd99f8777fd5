"""What a sample has computed, cell by cell and candidate by candidate."""

import numpy as np
from small_spaces import SMALL

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.compute_plan import compute_plan
from bars_tf.search.supernet.relaxation import Sample
from bars_tf.space.encoding import Choices, depth_grid, one_hot, random_genotype

BATCH = 8


def plan_of(genotype, computed=None):
    """The plan of a genotype, of which more may be computed."""
    choices = Choices(*map(tf.constant, one_hot(genotype)))
    return compute_plan(SMALL, Sample(choices, computed or choices), tf.constant(BATCH))


def test_only_what_a_genotype_keeps_is_computed(rng):
    for _ in range(5):
        genotype = random_genotype(SMALL, rng)
        plan, kept = plan_of(genotype), genotype.active_cells()
        for cell in SMALL.cells():
            batch = plan.sub_batches[cell.index,]
            assert (float(batch.counts), int(batch.size[0])) == ((1, BATCH) if cell in kept else (0, 1))
            for edge, nodes in enumerate(SMALL.edges):
                for k, name in enumerate(SMALL.primitives):
                    batch = plan.sub_batches[cell.index, edge, k]
                    chosen = one_hot(genotype).edges[SMALL.groups.index(cell.group), edge, k]
                    expected = bool(chosen) and cell in kept
                    assert (float(batch.counts), int(batch.size[0])) == ((1, BATCH) if expected else (0, 1))
                    coefficient = float(plan.coefficients[SMALL.groups.index(cell.group), edge, k])
                    if cell in kept and name != "none":  # edges from nodes without inputs are no part of a genotype
                        assert coefficient == (genotype.primitive(cell.group, nodes) == name)
        np.testing.assert_array_equal(plan.has_input, [any(topology) for topology in genotype.topologies])


def test_what_is_compared_is_computed_on_a_fraction_of_the_batch(rng):
    """A second primitive adds nothing, and a gradient comes back where its cell adds something; in a cell that a second
    depth adds, nothing is compared."""
    genotype = random_genotype(SMALL, rng)
    choices = one_hot(genotype)
    edges, depths = np.where(choices.edges == 1, 1, 0.25), np.where(choices.depths == 1, 1.0, 0.0)
    depths[0, depth_grid(SMALL)[0] == 1] = 1 if genotype.depths[0] == 1 else 0.25
    plan = plan_of(genotype, Choices(choices.widths, *map(tf.constant, (depths, edges))))
    for cell in SMALL.cells():
        kept = cell in genotype.active_cells()
        for key in ((cell.index, edge, k) for edge, k in np.ndindex(choices.edges.shape[1:])):
            chosen, batch = choices.edges[(SMALL.groups.index(cell.group), *key[1:])] == 1, plan.sub_batches[key]
            if kept:
                assert int(batch.size[0]) == (BATCH if chosen else BATCH // 4)
                assert bool(batch.adds) == chosen and int(batch.backward_size[0]) == (BATCH if chosen else 1)
            else:
                fraction = 0.25 if cell.stage == 0 and cell.depth == 1 else 0
                assert int(batch.size[0]) == max(1, round(BATCH * fraction * chosen))
                assert int(batch.backward_size[0]) == 1
