"""Scores of genotypes by the supernet."""

import numpy as np
import pytest
from sample_networks import transfer_weights
from small_spaces import TINY, with_random_batch_norm

from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.encoding import random_genotype


def test_a_score_is_that_of_the_network_with_statistics_of_its_own(rng):
    """The network whose moving statistics are the means over the batches; the supernet stays as it was."""
    supernet = with_random_batch_norm(Supernet(TINY, (8, 8, 1), 3), rng)
    genotype = random_genotype(TINY, rng)
    batches = [(tf.constant(rng.normal(size=(n, 8, 8, 1)), tf.float32), tf.constant(rng.integers(0, 3, n)))
               for n in (16, 16, 5)]
    before = [v.numpy() for v in supernet.variables]
    accuracy, loss = Scorer(supernet).score(genotype, batches)
    assert all((a == b.numpy()).all() for a, b in zip(before, supernet.variables))

    model = build_network(genotype, (8, 8, 1), 3)
    transfer_weights(supernet, genotype, model)
    norms = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
    for i, (images, _) in enumerate(batches):
        for layer in norms:
            layer.momentum = 1 - 1 / (i + 1)
        model(images, training=True)
    logits = np.concatenate([model(images, training=False) for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    losses = tf.keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    assert accuracy == pytest.approx((logits.argmax(-1) == labels).mean())
    assert loss == pytest.approx(float(tf.reduce_mean(losses)), rel=1e-4)
    weights = np.array([0.5, 2.0, 1.0], np.float32)[labels]
    weighted = [(x, y, tf.gather([0.5, 2.0, 1.0], y)) for x, y in batches]
    accuracy, loss = Scorer(supernet).score(genotype, weighted)
    assert accuracy == pytest.approx(np.average(logits.argmax(-1) == labels, weights=weights))
    assert loss == pytest.approx(np.average(losses, weights=weights), rel=1e-4)


def test_candidates_are_scored_by_two_graphs(rng):
    """One recalibrates and one scores, whatever the genotype and whatever the size of a batch."""
    class Counted(Supernet):
        traced = 0

        def call(self, images, sample=None, mode="eval", fraction=None):
            self.traced += 1
            return super().call(images, sample, mode, fraction)

    net = Counted(TINY, (8, 8, 3), 10)
    net.traced = 0
    batches = [(rng.normal(size=(n, 8, 8, 3)).astype(np.float32), rng.integers(0, 10, n)) for n in (6, 6, 3)]
    batches = [tuple(map(tf.constant, batch)) for batch in batches]
    net.compile()
    net.derive(batches, num_samples=2)
    assert net.traced == 2
