"""Genotypes of one network have one canonical form."""

from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS, BARS_SMALL


def test_what_is_built_tells_networks_apart():
    conv, no = (((0, "bin_conv_3x3"),),), ((),)
    space = BARS.replace(layout="NNRNN")

    def built(depths, *topologies):
        return Genotype(space, (1.0, 1.0), depths, topologies).canonical()

    first = built((1, 0), conv, no, conv, no, no)
    assert first == built((2, 0), no, conv, conv, no, no) == built((2, 2), conv, no, conv, no, no)
    assert len({first, built((0, 1), no, no, conv, conv, no), built((1, 0), conv, no, no, no, no)}) == 3


def test_cells_without_edges_make_no_other_network():
    space = BARS_SMALL.replace(layout="NRN")
    dead, live = ((),) * space.num_nodes, (((0, "skip"),), *((),) * (space.num_nodes - 1))
    shallow, deep = (Genotype(space, (1.0, 1.0), depths, (dead, live, dead)) for depths in ((0, 0), (1, 1)))
    other = Genotype(space, (1.0, 1.0), (1, 1), (live, live, dead))
    assert shallow.canonical() == deep.canonical() != other.canonical()
    costs = [cost_of(g, cost_tables(space, (28, 28, 1), 10)) for g in (shallow, deep, other)]
    assert costs[0] == costs[1] != costs[2]
