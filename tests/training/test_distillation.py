"""Distillation: the teacher teaches, and stays as it is."""

import numpy as np
from backbone_space import BACKBONE_SPACE

from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.space import backbones
from bars_tf.training.distillation import Distillation


def test_a_teacher_teaches(rng):
    """Distillation alone brings a network to its teacher; the teacher stays as it is, and is not saved."""
    tf.keras.utils.set_random_seed(0)
    teacher = build_network(backbones.backbone(BACKBONE_SPACE), (8, 8, 1), 3, precision="float")
    network = build_network(backbones.backbone(BACKBONE_SPACE), (8, 8, 1), 3)
    teacher.get_layer("head").set_weights([rng.normal(size=v.shape) for v in teacher.get_layer("head").get_weights()])
    images = rng.normal(size=(64, 8, 8, 1)).astype(np.float32)
    taught = teacher(images, training=False).numpy().argmax(-1)
    before = teacher.get_weights()
    model = Distillation(network, teacher, 0.99)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.legacy.Adam(1e-2), loss, metrics=["accuracy"])
    model.fit(images, rng.integers(0, 3, 64), batch_size=64, epochs=60, verbose=0)  # the labels tell nothing
    assert (network(images, training=True).numpy().argmax(-1) == taught).mean() > 0.8
    assert all((a == b).all() for a, b in zip(before, teacher.get_weights()))
    assert len(model.weights) == len(network.weights)
