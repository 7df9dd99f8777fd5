"""Memory that is planned ahead: what lives at one time does not overlap, and nothing is copied in vain."""

import numpy as np
import pytest

from bars_tf.export.plain_c.calls import Call, Tensor
from bars_tf.export.plain_c.memory import places, without_copies

A, B, C, D = (Tensor(number, 8) for number in range(4))


def run(calls, values):
    """What calls leave in the tensors."""
    values = dict(values)
    for call in calls:
        x = [values[tensor] for tensor in call.inputs]
        values[call.output] = {"copy": lambda x=x: x[0], "relu": lambda call=call: np.maximum(values[call.output], 0),
                               "add": lambda x=x, call=call: values[call.output] + x[0]}[call.function]()
    return values


@pytest.mark.parametrize("calls, copies", [
    ([Call("copy", C, (A,), ()), Call("relu", C, (), ()), Call("add", B, (C,), ())], 0),  # A is not needed later
    ([Call("copy", C, (A,), ()), Call("add", C, (B,), ()), Call("add", C, (A,), ()), Call("add", D, (C,), ())], 0),
    ([Call("copy", C, (A,), ()), Call("add", C, (B,), ()), Call("add", B, (A,), ()), Call("add", B, (C,), ())], 1),
    ([Call("copy", C, (A,), ()), Call("add", C, (A,), ()), Call("add", B, (C,), ())], 1),  # a term that stands twice
    ([Call("copy", C, (A,), ()), Call("relu", C, (), ()), Call("add", C, (A,), ()), Call("add", B, (C,), ())], 1),
], ids=["last", "other_term", "both_needed", "twice", "kept"])
def test_copies_are_left_out_where_they_can_be(calls, copies, rng):
    given = dict(zip((A, B, D), rng.normal(size=(3, 8))))
    found = without_copies(calls)
    assert sum(call.function == "copy" for call in found) == copies
    last = calls[-1].output
    np.testing.assert_array_equal(run(found, given)[last], run(calls, given)[last])


def test_tensors_that_live_at_one_time_do_not_overlap(rng):
    for _ in range(50):
        tensors = [Tensor(i, int(rng.integers(1, 50)), bool(rng.integers(2))) for i in range(12)]
        calls = [Call("f", tensors[rng.integers(12)], tuple(tensors[i] for i in rng.integers(0, 12, 2)), ())
                 for _ in range(15)]
        found, sizes = places(calls)
        lives = {t: [i for i, call in enumerate(calls) if t in call.tensors] for t in found}
        for t in found:
            assert found[t] + t.size <= sizes[t.packed]
            for other in found:
                if t != other and t.packed == other.packed and lives[t][0] <= lives[other][-1] and (
                        lives[other][0] <= lives[t][-1]):
                    assert found[t] + t.size <= found[other] or found[other] + other.size <= found[t]


def test_a_tensor_of_the_caller_has_no_place():
    image = Tensor(0, 8, name="image")
    assert places([Call("f", A, (image,), ()), Call("f", B, (A,), ())]) == ({A: 0, B: 8}, (16, 0))
