"""Rankings, and families of networks from one search."""


import functools

import numpy as np
import pytest
from small_spaces import random_alphas

from bars_tf.cost.budget import Budget
from bars_tf.legacy_keras import tf
from bars_tf.search.ranking import SavedScores, rank, rank_members
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.presets import BARS_PAPER

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


def test_evolution_goes_on_from_the_scores_that_are_known(supernet, batches, tmp_path, capsys):
    saved = SavedScores(tmp_path / "scored.json", lambda: functools.partial(Scorer(supernet).score, batches=batches))
    ranked = rank(supernet, None, 3, score=saved, num_children=30)
    assert [c.origin for c in ranked].count("evolved") == 30
    known = SavedScores(tmp_path / "scored.json", lambda: pytest.fail("all are known"))
    assert rank(supernet, None, 3, score=known, num_children=30, title="derive") == ranked
    assert known.seconds == pytest.approx(saved.seconds)
    assert f"step {len(ranked)}/{len(ranked)}" in capsys.readouterr().err


@pytest.mark.parametrize("num, seed", [(8, 0), *((0, seed) for seed in range(3))])  # 0: the most probable ones alone
def test_a_family_keeps_its_budgets_and_larger_ones_are_scored_no_worse(supernet, batches, num, seed, tmp_path):
    for variable, alphas in zip(supernet.arch_variables, random_alphas(SPACE, np.random.default_rng(seed))):
        variable.assign(alphas)
    limits = (4.0e3, 4.4e3, 4.8e3, 5.2e3, 5.6e3)
    scores = SavedScores(tmp_path / "scored.json", lambda: functools.partial(Scorer(supernet).score, batches=batches))
    ranked = functools.partial(rank, supernet, None, num, score=scores)
    found = rank_members(ranked, {limit: Budget(ops=limit) for limit in limits})
    members = [ranked[0] for ranked in found.values()]
    assert tuple(found) == limits
    for limit, member in zip(limits, members):
        assert 0.9 * limit <= member.cost.ops <= limit
    assert all(a.accuracy <= b.accuracy for a, b in zip(members, members[1:]))
