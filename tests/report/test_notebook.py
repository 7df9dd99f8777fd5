import numpy as np

from bars_tf.report import run as runs
from bars_tf.space import presets
from bars_tf.space.encoding import Choices, genotype_of


def test_a_genotype_in_a_notebook(run):
    genotype = runs.read(run).genotype
    assert len(genotype.plot().axes) >= 1
    shown = genotype._repr_html_()
    assert shown.count("<img") == 1 and "stage 0: width" in shown


def test_a_drawing_of_cells_of_one_node_names_their_primitives():
    space = presets.BARS.replace(layout="NNRN", primitives=("none", "bin_conv_1x1", "bin_conv_5x5"))
    genotype = genotype_of(space, Choices(np.array([0, 1]), np.array([1, 1]), np.array([[1], [0], [2], [1]])))
    shown = [text.get_text() for text in genotype.plot().axes[0].texts]
    assert [text for text in shown if not text.startswith("stage")] == ["conv 1x1", "left\nout", "conv 5x5\nstride 2",
                                                                        "conv 1x1"]
