"""Spaces that a user describes in a file: the two that come with the package keep the laws, bad ones are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_spaces import with_random_batch_norm

from bars_tf.cost.tables import cost_of
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.keras_network import build_network, transfer_weights
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace

CONFIGS = Path(__file__).parent.parent / "configs"


@pytest.mark.parametrize("name", ["sensor16", "dilated"])
def test_laws_hold(name, rng):
    """One-hot law, cost law, and what a genotype file tells."""
    space = SearchSpace.from_dict(json.loads((CONFIGS / f"{name}_space.json").read_text()))
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


SPACE = {"name": "mine", "layout": "N", "num_nodes": 1, "init_channels": 4,
         "primitives": ["none", "skip", "own"], "own_primitives": {"own": {"branch": "bin_conv", "kernel": 3}}}


@pytest.mark.parametrize("change, words", [
    ({"layout": "NX"}, "layout"), ({"colour": 1}, "unknown field 'colour'"), ({"num_nodes": "two"}, "num_nodes"),
    ({"primitives": ["none", "other"]}, "'other' is unknown"), ({"own_primitives": []}, "own_primitives"),
    ({"own_primitives": {"Own; import os": {"branch": "bin_conv"}}}, "small letters"),
    ({"own_primitives": {"skip": {"branch": "bin_conv"}}}, "new names"),
    ({"own_primitives": {"own": {"branch": "lambda"}}}, "branch: must be one of"),
    ({"own_primitives": {"own": {"branch": "bin_conv", "kernel": 4}}}, "kernel: must be an odd number"),
    ({"own_primitives": {"own": {"branch": "bin_conv", "kernel": 3, "dilation": 3}}}, "dilation"),
    ({"own_primitives": {"own": {"branch": "bin_conv", "kernel": 3, "size": 3}}}, "must be an object with branch"),
    ({"own_primitives": {"own": {"branch": "max_pool", "kernel": 3, "shortcut": 1}}}, "shortcut"),
    ({"own_primitives": {"own": {"branch": "bin_conv", "kernel": 3, "activation": "gelu"}}}, "activation"),
])
def test_bad_spaces_are_refused(change, words):
    SearchSpace.from_dict(SPACE)
    with pytest.raises(ValueError, match=r"^(search space: |\w+=)") as error:
        SearchSpace.from_dict(SPACE | change)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_program_with_a_space_file(program, tmp_path):
    """A file that is none, or that has changed since the run began, is refused; the run itself works."""
    path = tmp_path / "mine.json"
    command = ["search", f"--space={path}", "--image_size=8", "--search_epochs=1", "--train_epochs=1", "--max_steps=2",
               "--train_warmup_epochs=0", "--warmup_epochs=0", "--batch_size=8", f"--workdir={tmp_path / 'run'}"]
    missing = program(*command)
    assert missing.returncode == 2 and "--space=" in missing.stderr and missing.stderr.count("\n") == 1
    path.write_text(json.dumps(SPACE))
    done = program(*command)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "genotype.json").read_text())["space"]["name"] == "mine"
    path.write_text(json.dumps(SPACE | {"init_channels": 8}))
    changed = program(*command)
    assert changed.returncode == 2 and "has changed" in changed.stderr
