"""What a sample has computed, cell by cell and candidate by candidate; sub-batches against NumPy's slices."""

import numpy as np
import pytest
from small_spaces import SMALL

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.branches import Branches
from bars_tf.search.supernet.compute_plan import SubBatch, add, compute_plan, first_images
from bars_tf.search.supernet.relaxation import Sample
from bars_tf.space.encoding import Choices, depth_grid, one_hot, random_genotype

BATCH = 8


def plan_of(genotype, computed=None):
    """The plan of a genotype, of which more may be computed."""
    choices = Choices(*map(tf.constant, one_hot(genotype)))
    return compute_plan(SMALL, Sample(choices, computed or choices), tf.constant(BATCH), tf.float64)


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


def sub_batch(size, adds, batch_size=4):
    """One of `size` images."""
    sizes = tf.constant([size])
    return SubBatch(tf.constant(1.0), tf.constant(adds), None, None, sizes, sizes,
                    tf.pad((batch_size - sizes)[:, None], [[0, 3], [1, 0]]), tf.constant([0]), tf.constant([1]))


@pytest.mark.parametrize("size", [1, 3, 4])
@pytest.mark.parametrize("adds", [True, False])
def test_terms_of_the_first_images(size, adds, rng):
    """A term adds to a sum of as many images; the gradient of both is that of a sum, adds or not."""
    x, total, term = (tf.constant(rng.normal(size=(n, 2, 2, 3))) for n in (4, size, size))
    part = sub_batch(size, adds)
    with tf.GradientTape() as tape:
        tape.watch([x, total, term])
        first, result = first_images(x, part), add(total, term, part)
        value = tf.reduce_sum(first * 3) + tf.reduce_sum(result * 5)
    np.testing.assert_array_equal(first, x.numpy()[:size])
    np.testing.assert_array_equal(result, total + term if adds else total)
    to_x, to_total, to_term = tape.gradient(value, [x, total, term])
    np.testing.assert_array_equal(to_x[:size], np.full((size, 2, 2, 3), 3.0))
    assert not to_x[size:].numpy().any()
    assert (to_total.numpy() == 5).all() and (to_term.numpy() == 5).all()


def test_the_gradient_of_fewer_images(rng):
    """A gradient comes back from the first images alone, and is padded to all."""
    x, part = tf.constant(rng.normal(size=(4, 1, 1, 2))), sub_batch(2, True)
    np.testing.assert_array_equal(part.take_backward(x), x.numpy()[:2])
    padded = tf.pad(part.take_backward(x), part.paddings)
    np.testing.assert_array_equal(padded, np.concatenate([x.numpy()[:2], np.zeros((2, 1, 1, 2))]))
    assert first_images(x, None) is x


@pytest.mark.parametrize("graph", [False, True])
def test_branches_compute_the_selected_function_alone(graph):
    branches = Branches.of(lambda x: x + 1.0, lambda x: x * 0.0, tf.float32, 1)

    def run(condition):
        x = tf.fill([1, 1, 1, 1], np.float32(2))
        return branches(condition, [x], [x.shape])[0]

    run = tf.function(run) if graph else run
    assert [run(tf.constant(condition)).numpy().item() for condition in (True, False)] == [3, 0]
