"""Derived networks of stock layers."""

import numpy as np
import pytest
from small_spaces import (
    CLASSES,
    ODD_SHAPE,
    SMALL,
    TINY,
)

from bars_tf.cli.settings import Settings
from bars_tf.network.keras_network import build_network, in_float32
from bars_tf.space.backbones import nasb
from bars_tf.space.encoding import random_genotype
from bars_tf.space.presets import BARS
from bars_tf.training import fit as training


@pytest.mark.parametrize("space", [
    TINY.replace(layout="RR", stem="cifar_2"), BARS.replace(init_channels=16, layout="RR", stem="conv_3x3_2"),
    nasb("resnet20", 0.25)], ids=["bars_paper", "bars", "nasb"])
def test_images_are_large_enough_where_networks_can_be_built(space, rng):
    """Known before a search, whose supernet takes what its result could not."""
    genotype, refused = random_genotype(space, rng), []
    for side in range(1, 7):
        image_shape = (side, side + 1, 3)
        try:
            space.check_image(image_shape)
        except ValueError:
            refused.append(side)
            continue
        assert build_network(genotype, image_shape, 3).output_shape == (None, 3)
    assert refused == [1, 2, 3] if space.backbone else refused == [1, 2, 3, 4]
    if not space.backbone:
        with pytest.raises(ValueError):
            build_network(genotype, (4, 5, 3), 3)


def test_genotype_rebuilds_for_other_data(rng):
    genotype = random_genotype(SMALL, rng)
    for shape, classes in (((8, 8, 3), 2), ((33, 20, 1), 100)):
        assert build_network(genotype, shape, classes)(np.zeros((1, *shape), np.float32)).shape == (1, classes)


@pytest.mark.parametrize("precision", ["binary", "float_kernels", "float"])
def test_what_was_trained_in_bfloat16_computes_in_float32(precision, rng):
    genotype = random_genotype(TINY.replace(input_quantizer="approx_sign"), rng)
    config = Settings.of(mixed_precision=True, dropout=0.1)
    trained = training.trainable_network(config.training, genotype, ODD_SHAPE, CLASSES, precision)
    plain = build_network(genotype, ODD_SHAPE, CLASSES, dropout=0.1, precision=precision)
    plain.set_weights(trained.get_weights())
    images = rng.normal(size=(4, *ODD_SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(in_float32(trained)(images, training=False), plain(images, training=False))
