"""Handover law, in C: what is written compiles without a warning, does nothing undefined, and computes the network."""

import pytest
from c_networks import check, needs_compiler
from sample_networks import NASB, WIDE

from bars_tf.export.settings import ACTIVATIONS
from bars_tf.network.layer_list import layers_of
from bars_tf.network.layers import peak_activation_bytes
from bars_tf.space.encoding import random_genotype
from bars_tf.space.fields import SHARING, STEMS
from bars_tf.space.genotype import Genotype, uniform

pytestmark = needs_compiler
NUMBERS = [3, pytest.param(10, marks=pytest.mark.long)]
# Without shortcuts only signs of a batch norm are read.
BARE = WIDE.replace(layout="NR", primitives=("bare", "no_relu"), own_primitives={
    "bare": {"branch": "bin_conv", "kernel": 3, "shortcut": False},
    "no_relu": {"branch": "bin_conv", "kernel": 5, "dilation": 2, "shortcut": False, "activation": "none"}})


def _forms(i, number):
    """Activations of the i-th of some genotypes: of a few the first one alone has both."""
    return ACTIVATIONS[:2 if number == 10 or i == 0 else 1]


@pytest.mark.parametrize("number", NUMBERS)
def test_random_genotypes(rng, tmp_path, number):
    stems = [name for name in STEMS if name != "imagenet_7x7"]
    for i in range(number):
        space = WIDE.replace(sharing=SHARING[i % 4], full_width_nodes=i % 3 > 0, stem=stems[i % len(stems)],
                             input_quantizer="approx_sign" if i % 2 else "ste_sign",
                             reduction_kernel=(3, 1, 0)[i % 3], reduction_shortcut=("average", "transition")[i % 2],
                             head_activation=("relu", "none")[i % 2])
        genotype, shape = random_genotype(space, rng), (20 + 13 * (i % 2), 18 + 17 * (i % 2), 1 + i % 2 * 2)
        network = check(tmp_path, genotype, rng, shape, forms=_forms(i, number))
        assert network.ram_bytes < 1.15 * peak_activation_bytes(layers_of(genotype, shape, 7))


@pytest.mark.parametrize("number", NUMBERS)
def test_random_genotypes_of_a_backbone(rng, tmp_path, number):
    for i in range(number):
        paths = {"num_paths": 2, "kernel_quantizer": "magnitude_aware_sign"} if i % 2 else {}
        space = NASB.replace(**paths, stem=("conv_3x3", "resnet")[i % 2],
                             backbone=(NASB.backbone, ((16, 1, 1), (40, 1, 1)), ((16, 1, 1), (33, 2, 1)))[i % 3])
        check(tmp_path, random_genotype(space, rng), rng, (32, 30, 1 + i % 2 * 2), forms=_forms(i, number))


@pytest.mark.parametrize("number", [1, pytest.param(10, marks=pytest.mark.long)])
def test_batch_norms_that_become_thresholds(rng, tmp_path, number):
    limits = 0
    for _ in range(number):
        network = check(tmp_path, random_genotype(BARE, rng), rng, (19, 16, 1), forms=ACTIVATIONS)
        limits += sum(table.endswith("_limits") for table in network.tables)
    assert limits


def test_corner_cases(rng, tmp_path):
    """No cell, cells without an edge, and a primitive on every edge."""
    flat = WIDE.replace(layout="NN")
    check(tmp_path, Genotype(flat, (0.25,), (0,), tuple(((),) * 3 for _ in flat.groups)), rng, (8, 8, 1), classes=2)
    check(tmp_path, Genotype(WIDE, (0.75, 0.5, 1.0), (1, 1, 0), tuple(((),) * 3 for _ in WIDE.groups)), rng, (9, 11, 3))
    check(tmp_path, uniform(WIDE.replace(layout="R", num_nodes=2), "bin_dil_conv_5x5"), rng, (16, 15, 1))
