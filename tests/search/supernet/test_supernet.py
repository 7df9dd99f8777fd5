"""The gradient of the arch step."""

import dataclasses

import numpy as np
import pytest
from small_spaces import TINY_NASB, all_choices

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet import relaxation
from bars_tf.search.supernet.relaxation import Sample
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.encoding import Choices
from bars_tf.space.presets import BARS_PAPER


@pytest.mark.parametrize("space", [
    BARS_PAPER.replace(layout="N", num_nodes=2, init_channels=4, width_choices=(0.5, 1.0)),
    TINY_NASB.replace(backbone=((4, 1, 1),))], ids=["bars", "nasb"])
def test_arch_gradient_is_that_of_the_expected_loss(space, rng):
    """On a space small enough to enumerate, the mean gradient of each sampling form points where the exact one does."""
    tf.keras.utils.set_random_seed(0)
    supernet = Supernet(space, (8, 8, 1), 3)
    supernet.compile(tf.keras.optimizers.legacy.Adam(0.01), tf.keras.optimizers.legacy.Adam(0.0))
    labels = tf.constant(rng.integers(0, 3, 64), tf.int32)
    patterns = rng.normal(size=(3, 8, 8, 1))
    images = tf.constant(patterns[labels.numpy()] + rng.normal(size=(64, 8, 8, 1)), tf.float32)
    step = tf.function(lambda: (supernet.weight_step(images, labels), supernet.search_step.assign_add(1)))
    for _ in range(60):
        step()
    loss = tf.function(lambda c: supernet.compiled_loss(labels, supernet(images, c, mode="arch")), autograph=False)
    probabilities, exact = [p.numpy() for p in supernet.probabilities()], 0.0
    for (widths, depths, picked), _ in all_choices(space):
        hard = [np.eye(p.shape[-1], dtype=np.float32)[np.array(choice)]
                for p, choice in zip(probabilities, (widths, depths, picked))]
        probability = np.prod([(p * h).sum(-1).prod() for p, h in zip(probabilities, hard)])
        value = float(loss(Sample(*[Choices(*map(tf.constant, hard))] * 2)))
        exact += np.concatenate([(probability * value * (h - p)).ravel() for h, p in zip(hard, probabilities)])

    for sampling, draws in (("softmax", 1), ("gumbel", 200), ("gumbel_hard", 200)):
        supernet.sampler = dataclasses.replace(supernet.sampler, form=sampling)

        @tf.function(autograph=False)
        def gradient():
            supernet.search_step.assign_add(1)
            with tf.GradientTape() as tape:
                # Second paths are computed on the first images only.
                order = tf.random.experimental.index_shuffle(
                    tf.range(64), tf.stack([0, tf.cast(supernet.search_step, tf.int32)]), 63)
                logits = supernet(tf.gather(images, order), supernet.draw("alphas", 64), mode="arch")
                value = supernet.compiled_loss(tf.gather(labels, order), logits)
            gradients = tape.gradient(value, supernet.arch_variables, unconnected_gradients="zero")
            return tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)

        mean = np.mean([gradient().numpy() for _ in range(draws)], axis=0)
        cosine = mean @ exact / np.linalg.norm(mean) / np.linalg.norm(exact)
        print(sampling, "cosine", cosine)
        # Softmax mixes outputs, whose loss is another one than the expected: it keeps to the half-space.
        assert cosine > (0.5 if sampling == "softmax" else 0.85), sampling


def test_a_second_path_has_the_gradient_of_its_branch_alone(rng):
    """With two candidates of each choice, and a second path on one of four equal quarters of a batch, the gradient is
    exact. The shortcut of the second candidate is computed on all images, and its gradient is not multiplied."""
    space = BARS_PAPER.replace(layout="N", num_nodes=2, init_channels=4, width_choices=(0.5, 1.0),
                               primitives=("bin_conv_1x1", "bin_conv_3x3"))
    supernet = Supernet(space, (8, 8, 1), 3)
    supernet.compile(tf.keras.optimizers.legacy.SGD(0.0), tf.keras.optimizers.legacy.SGD(0.0))
    for alphas in supernet.arch_variables:
        alphas.assign(np.sort(rng.normal(size=alphas.shape)))  # the largest depth: another one would leave edges out
    images = tf.tile(tf.constant(rng.normal(size=(3, 8, 8, 1)), tf.float32), (4, 1, 1, 1))
    labels = tf.constant([0, 1, 2] * 4)
    costly = np.array([[0.0] + [1.0] * (n - 1) for n in (supernet.logits.depths.shape[-1],)]), np.ones(2)

    def gradient(make):
        with tf.GradientTape() as tape:
            logits = supernet.logits
            hard = Choices(*(tf.one_hot(tf.argmax(a, -1), a.shape[-1]) for a in logits))
            sample = make(hard, Choices(*map(tf.nn.softmax, logits)), Choices(*map(tf.zeros_like, logits)))
            value = supernet.compiled_loss(labels, supernet(images, sample, mode="arch"))
        return tape.gradient(value, supernet.arch_variables, unconnected_gradients="zero")

    second = gradient(lambda hard, soft, noise: relaxation.straight_through_sample(
        hard, soft, noise[1:], costly, fraction=0.25))
    whole = gradient(lambda hard, soft, _: Sample(Choices(*map(relaxation.straight_through, hard, soft))))
    for mine, other in zip(second, whole):
        assert np.abs(other).max() > 1e-3
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)


def test_weights_of_images_are_those_of_their_losses(rng):
    supernet = Supernet(TINY_NASB, (8, 8, 1), 3)
    supernet.compile(tf.keras.optimizers.legacy.Adam(0.0), tf.keras.optimizers.legacy.Adam(0.0))
    images, labels = tf.constant(rng.normal(size=(8, 8, 8, 1)), tf.float32), tf.constant(rng.integers(0, 3, 8))
    weights = tf.constant(rng.uniform(0, 2, 8), tf.float32)
    for update, mode, step in (("weights", "train", lambda *batch: supernet.weight_step(*batch)["loss"]),
                               ("alphas", "arch", lambda *batch: supernet.arch_step(*batch)[0])):
        logits = supernet(images, supernet.draw(update, tf.constant(8)), mode=mode)
        losses = tf.keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        assert float(step(images, labels, weights)) == pytest.approx(float(tf.reduce_mean(losses * weights)), rel=1e-4)
        assert float(step(images, labels)) == pytest.approx(float(tf.reduce_mean(losses)), rel=1e-4)
