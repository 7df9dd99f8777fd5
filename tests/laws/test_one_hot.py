"""One-hot law: the supernet forced to a genotype is the derived network of the genotype."""

import json

import numpy as np
import pytest
from helpers import ROOT
from sample_networks import transfer_weights
from small_spaces import (
    ALL_PRIMITIVES,
    CLASSES,
    FULL_WIDTH,
    NASB,
    ODD_SHAPE,
    SMALL,
    TINY,
    TRANSITION,
    TWO_PATHS,
    sampled_genotypes,
    with_random_batch_norm,
)

from bars_tf.cost.tables import cost_of
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.keras_network import build_network
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace


@pytest.fixture(scope="module", params=[
    pytest.param((SMALL, 10), id="bars"), pytest.param((FULL_WIDTH, 10), id="full_width", marks=pytest.mark.long),
    pytest.param((TRANSITION, 8), id="transition", marks=pytest.mark.long), pytest.param((NASB, 10), id="nasb"),
    pytest.param((TWO_PATHS, 8), id="two_paths")])
def supernet(request):
    """A supernet, and how many of its genotypes the tests look at."""
    space, number = request.param
    tf.keras.utils.set_random_seed(0)
    # What flows through a backbone is as large as the sums of its convolutions, if nothing normalises them.
    variance = 100.0 if space.backbone else 1.0
    return with_random_batch_norm(Supernet(space, ODD_SHAPE, CLASSES), np.random.default_rng(0), variance), number


def test_one_hot_and_cost_laws(supernet, rng):
    """The forced supernet is the derived network, and its cost is what Larq counts."""
    supernet, number = supernet
    space, forward = supernet.space, tf.function(lambda x, choices: supernet(x, choices), autograph=False)
    seen = set()
    for genotype in sampled_genotypes(space, rng, number):
        model = build_network(genotype, ODD_SHAPE, CLASSES)
        transfer_weights(supernet, genotype, model)
        images = rng.normal(size=(3, *ODD_SHAPE)).astype(np.float32)
        forced = forward(tf.constant(images), supernet.sample_of(genotype))
        np.testing.assert_allclose(forced, model(images, training=False), atol=1e-4)

        cost, profile = cost_of(genotype, supernet.tables), lq.models.ModelProfile(model)
        assert cost.bops == profile.op_count("mac", 1)
        assert cost.flops == profile.op_count("mac", 32)
        assert cost.params == profile.weight_count()
        assert cost.size_bytes * 8 == profile.memory
        seen |= {("width", s, w) for s, w in enumerate(genotype.widths)}
        seen |= {("depth", s, d) for s, d in enumerate(genotype.depths)}
        seen |= {p for p, share in genotype.primitive_fractions().items() if share}
    stages = range(space.num_stages)
    assert {("width", s, w) for s in stages for w in space.width_choices} <= seen
    assert {("depth", s, d) for s in stages for d in space.depths(s)} <= seen
    assert set(ALL_PRIMITIVES) <= seen


@pytest.mark.parametrize("changes", [
    {"stem": "imagenet_4", "sharing": "stage"}, {"stem": "imagenet_7x7", "num_nodes": 4, "init_channels": 4},
    {"primitives": ("skip", "bin_conv_3x3"), "sharing": "all", "input_quantizer": "approx_sign"},
    {"width_choices": (1.0,), "sharing": "none"}])
def test_one_hot_law_of_other_spaces(changes, rng):
    space = TINY.replace(**changes)
    supernet = with_random_batch_norm(Supernet(space, (16, 16, 3), 3), rng)
    for genotype in sampled_genotypes(space, rng, 3):
        model = build_network(genotype, (16, 16, 3), 3)
        transfer_weights(supernet, genotype, model)
        images = rng.normal(size=(2, 16, 16, 3)).astype(np.float32)
        np.testing.assert_allclose(supernet(images, supernet.sample_of(genotype)), model(images), atol=1e-4)


@pytest.mark.parametrize("name", ["sensor16", pytest.param("dilated", marks=pytest.mark.long)])
def test_laws_hold(name, rng):
    """One-hot law, cost law, and what a genotype file tells."""
    space = SearchSpace.from_dict(json.loads((ROOT / "configs" / "spaces" / f"{name}_space.json").read_text()))
    space = space.replace(init_channels=8)  # the same space, smaller
    shape, classes = (12, 12, 1), 3
    supernet = with_random_batch_norm(Supernet(space, shape, classes), rng)
    images = rng.normal(size=(2, *shape)).astype(np.float32)
    forward = tf.function(lambda choices: supernet(images, choices), autograph=False)
    own, seen = set(dict(space.own_primitives)), set()
    for _ in range(6):
        genotype = random_genotype(space, rng)
        seen |= {p for topology in genotype.topologies for node in topology for _, p in node}
        model = build_network(genotype, shape, classes)
        transfer_weights(supernet, genotype, model)
        np.testing.assert_allclose(forward(supernet.sample_of(genotype)), model(images), atol=1e-4)
        cost, profile = cost_of(genotype, supernet.tables), lq.models.ModelProfile(model)
        assert (profile.op_count("mac", 1), profile.op_count("mac", 32)) == (cost.bops, cost.flops)
        assert Genotype.from_dict(json.loads(json.dumps(genotype.to_dict()))) == genotype
    assert own <= seen
