"""Which samples the steps draw."""

import numpy as np
import pytest
from small_spaces import TINY_NASB

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet import relaxation
from bars_tf.search.supernet.sampling import STREAMS, stream_seed
from bars_tf.search.supernet.supernet import Supernet


def test_streams_have_seeds_of_their_own():
    """In every step, and those that earlier searches had."""
    seeds = {(update, stream): tuple(stream_seed(3, tf.constant(7, tf.int64), update, stream).numpy())
             for update in ("weights", "alphas") for stream in STREAMS}
    assert len(set(seeds.values())) == len(seeds) and all(step == 7 for _, step in seeds.values())
    assert seeds["weights", "widths"] == (3, 7) and seeds["alphas", "second_edges"] == (3 + 7919 * 12, 7)


@pytest.mark.parametrize("share, sampling", [(0.0, "gumbel_hard"), (0.4, "gumbel_hard"), (1.0, "gumbel_hard"),
                                             (1.0, "softmax")])
def test_weight_steps_that_draw_uniformly(share, sampling):
    """Under alphas that leave no choice, as many draws as are to be uniform differ from them. Where all are, nothing
    but the network drawn is computed, however the alphas are sampled."""
    net = Supernet(TINY_NASB, (8, 8, 1), 3, seed=1)
    net.compile("adam", "adam", sampling=sampling, uniform_share=share)
    net.arch_variables[2].assign(50 * np.eye(3)[np.ones(net.arch_variables[2].shape[:2], int)])  # skip

    @tf.function
    def draw(update):
        return net.draw(update).choices.edges

    differ = {"weights": [], "alphas": []}
    for step in range(100):
        net.search_step.assign(step)
        for update, found in differ.items():
            found.append(bool((draw(update).numpy()[..., 1] != 1).any()))
    assert np.mean(differ["weights"]) == pytest.approx(share, abs=0.15) and not any(differ["alphas"])
    assert net.draw("weights").computed is not None


@pytest.mark.parametrize("sampling", ["gumbel_hard", "gumbel"])
def test_a_node_draws_no_more_inputs_than_it_keeps(sampling, rng):
    """And each edge, if sampled, as often as the expected cost says."""
    space = TINY_NASB.replace(num_nodes=3, max_inputs=2)
    net = Supernet(space, (8, 8, 1), 3)
    net.compile("adam", "adam", sampling=sampling)
    net.arch_variables[2].assign(rng.normal(size=net.arch_variables[2].shape))
    targets = np.array(space.edges)[:, 1]

    @tf.function
    def draw(update):
        return net.draw(update, tf.constant(8)).choices.edges

    expected = relaxation.limit_inputs(space, net.probabilities().edges).numpy()
    for update in ("weights", "alphas"):
        drawn = []
        for step in range(400):
            net.search_step.assign(step)
            drawn.append(draw(update).numpy())
            inputs = 1 - drawn[-1][..., 0]
            assert all(inputs[:, targets == node].sum(-1).max() < 2 + 1e-5 for node in (1, 2, 3))
        if sampling == "gumbel_hard":
            np.testing.assert_allclose(np.mean(drawn, axis=0), expected, atol=0.1)
