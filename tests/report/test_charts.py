"""Charts hold what they are given."""

import numpy as np

from bars_tf.report import charts


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_run_has_a_line_and_a_point():
    names = [str(i) for i in range(80)]
    assert labels(charts.lines({name: ([1, 2], [0.1, 0.2]) for name in names})) == names
    figure = charts.against_cost(dict.fromkeys(names, [(1, [0.5])]), "OPs", "accuracy", 3)
    assert sorted(labels(figure)) == sorted([*names, "budget"])


def test_one_epoch_is_shown_too():
    figure = charts.areas([1], {"stage 0": np.array([[0.25, 0.75]])}, ["0.5", "1"])
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.25, 0.75] and labels(figure) == ["0.5", "1"]


def test_a_limit_that_is_exceeded_is_red():
    bars = charts.fractions_of_limits({"OPs": (50, 100), "bytes": (150, 100)}).axes[0].patches
    assert [bar.get_width() for bar in bars] == [0.5, 1.5] and bars[0].get_facecolor() != bars[1].get_facecolor()


def test_an_undecided_edge_has_a_mixed_colour():
    figure = charts.mixtures([1, 2], ["in to 1"], np.array([[[0.5, 0.5]], [[0.0, 1.0]]]), ["a", "b"], ["red", "blue"])
    assert figure.axes[0].images[0].get_array().tolist() == [[[0.5, 0, 0.5], [0, 0, 1]]]
