"""Genotypes as validated data and as files."""

import dataclasses
import json

import pytest
from small_spaces import NASB, SMALL

from bars_tf.space.backbones import backbone
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype, uniform


@pytest.mark.parametrize("space", [SMALL, NASB], ids=["bars", "nasb"])
def test_files_hold_the_whole_genotype(space, rng, tmp_path):
    genotype = random_genotype(space, rng)
    genotype.save(tmp_path / "genotype.json", (8, 8, 1), 3)
    assert Genotype.load(tmp_path / "genotype.json") == genotype
    assert json.loads((tmp_path / "genotype.json").read_text())["made_for"] == {
        "input_shape": [8, 8, 1], "num_classes": 3}


def test_edges_from_nodes_without_inputs_are_dropped():
    space = SMALL.replace(layout="N", num_nodes=3)
    topology = ((), ((1, "skip"),), ((0, "bin_conv_3x3"), (2, "skip")))
    assert Genotype(space, (1.0,), (1,), (topology,)).topologies == (((), (), ((0, "bin_conv_3x3"),)),)
    assert Genotype(space, (1.0,), (0,), (topology,)).topologies == (((), (), ()),)  # no cell has it


def test_uniform_networks_have_one_primitive_on_every_edge():
    genotype = uniform(SMALL, "skip", (0.5, 0.75, 1.0))
    assert genotype.primitive_fractions()["skip"] == 1 and genotype.widths == (0.5, 0.75, 1.0)
    assert genotype.active_cells() == SMALL.cells()
    assert backbone(NASB) == uniform(NASB) and not any(map(any, backbone(NASB).topologies))


@pytest.mark.parametrize("changes, words", [
    ({"widths": (0.3, 1.0, 1.0)}, "widths[0]=0.3: must be one of"), ({"depths": (5, 0, 0)}, "depths[0]=5"),
    ({"widths": (1.0,)}, "3 values, one a stage"), ({"topologies": ()}, "0 topologies, the space has"),
    ({"topologies": ((((1, "skip"),), ()),) * 4}, "source 1 is no earlier node"),
    ({"topologies": ((((0, "conv"),), ()),) * 4}, "primitive 'conv' is not in the space"),
    ({"topologies": ((((0, "skip"), (0, "none")), ()),) * 4}, "source 0 is given twice")], ids=str)
def test_broken_genotypes_are_refused(changes, words):
    assert len(SMALL.groups) == 4
    with pytest.raises(ValueError) as error:
        dataclasses.replace(uniform(SMALL), **changes)
    assert str(error.value).startswith("genotype: ") and words in str(error.value)
