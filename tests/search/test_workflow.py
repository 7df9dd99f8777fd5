"""What enters the finals."""

import pytest

from bars_tf.search.derivation.candidates import Candidate
from bars_tf.search.workflow import finalists


@pytest.mark.parametrize("origins, number, expected", [
    ("s s m u u u", 4, [0, 3, 1, 4]), ("u u m s", 4, [2, 0, 3, 1]), ("m", 4, [0]), ("u u u", 2, [0, 1]),
    ("m s s s u", 4, [0, 4, 1, 2]), ("m s u u", 0, [])])
def test_both_kinds_of_candidates_enter_in_turn(origins, number, expected):
    names = {"m": "most probable", "s": "sampled", "u": "uniform"}
    assert finalists([Candidate(None, None, names[o]) for o in origins.split()], number) == expected
