"""Genotypes as arrays of choices."""

import numpy as np
import pytest
from small_spaces import NASB, SMALL, TINY

from bars_tf.space.encoding import Choices, depth_grid, genotype_of, one_hot, random_genotype, shapes

SPACES = {"bars": SMALL, "nasb": NASB, "no_none": TINY.replace(primitives=("skip", "bin_conv_3x3")),
          "depths": TINY.replace(layout="NNNRN", depth_choices=(0, 1, 3))}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_one_hot_rows_say_the_genotype(space, rng):
    for _ in range(20):
        genotype = random_genotype(space, rng)
        choices = one_hot(genotype)
        assert tuple(array.shape for array in choices) == shapes(space)
        assert all((array.sum(-1) == 1).all() for array in choices[:2])
        assert ((choices.edges.sum(-1) == 1) | ("none" not in space.primitives)).all()
        if "none" in space.primitives:  # else groups that are not used have no edge to name
            assert genotype_of(space, Choices(*(array.argmax(-1) for array in choices))) == genotype


def test_depths_are_padded():
    assert depth_grid(SPACES["depths"]).tolist() == [[0, 1, 3], [0, 1, -1]]


def test_random_genotypes_draw_every_choice(rng):
    drawn = [one_hot(random_genotype(NASB, rng)) for _ in range(200)]
    assert (np.sum([choices.edges for choices in drawn], axis=0) > 0).all()
    assert max((choices.edges.argmax(-1) > 0).sum(-1).max() for choices in drawn) <= len(NASB.edges)
