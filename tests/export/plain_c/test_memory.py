"""Memory that is planned ahead: what lives at one time does not overlap, and nothing is copied in vain."""

import numpy as np
import pytest

from bars_tf.export.plain_c.calls import Call, Tensor
from bars_tf.export.plain_c.memory import in_saving_order, places, without_copies

A, B, C, D = (Tensor(number, 8) for number in range(4))  # two pixels of four channels
SLICES = [Tensor(number, 4) for number in range(4, 7)]  # of two channels


def add(output, x, first=0):
    return Call("add", output, (x,), (2, x.size // 2, output.size // 2), first)


def run(calls, values):
    """What calls leave in the tensors."""
    values = {tensor: value.reshape(2, -1).copy() for tensor, value in values.items()}
    for call in calls:
        x = values[call.inputs[0]] if call.inputs else None
        if call.function == "add":
            values[call.output][:, call.first:call.first + x.shape[1]] += x
        else:
            y = values.get(call.output)
            values[call.output] = {"copy": lambda x=x: x.copy(), "relu": lambda y=y: np.maximum(y, 0),
                                   "signs": lambda x=x: x >= 0}[call.function]()
    return values


@pytest.mark.parametrize("calls, copies", [
    ([Call("copy", C, (A,), ()), Call("relu", C, (), ()), add(B, C)], 0),  # A is not needed later
    ([Call("copy", C, (A,), ()), add(C, B), add(C, A), add(D, C)], 0),
    ([Call("copy", C, (A,), ()), add(C, B), add(B, A), add(B, C)], 1),
    ([Call("copy", C, (A,), ()), add(C, A), add(B, C)], 1),  # a term that stands twice
    ([Call("copy", C, (A,), ()), Call("relu", C, (), ()), add(C, A), add(B, C)], 1),
], ids=["last", "other_term", "both_needed", "twice", "kept"])
def test_copies_are_left_out_where_they_can_be(calls, copies, rng):
    given = dict(zip((A, B, D), rng.normal(size=(3, 8))))
    found = without_copies(calls)
    assert sum(call.function == "copy" for call in found) == copies
    last = calls[-1].output
    np.testing.assert_array_equal(run(found, given)[last], run(calls, given)[last])


def test_another_order_computes_the_same(rng):
    """Additions and signs come earlier, and no memory is needed beyond that."""
    def random_call(i):
        y, x = rng.choice(4, 2, replace=False)
        return [add((A, B, C, D)[y], (A, B, C, D)[x]), add((A, B, C, D)[y], SLICES[x % 3], int(rng.integers(2)) * 2),
                Call("relu", (A, B, C, D)[y], (), ()), Call("signs", Tensor(10 + i, 1, True), ((A, B, C, D)[x],), ())
                ][rng.integers(4)]

    moved = 0
    for _ in range(100):
        calls = [random_call(i) for i in range(12)]
        given = {tensor: rng.normal(size=tensor.size) for tensor in (A, B, C, D, *SLICES)}
        found, ordered = run(calls, given), in_saving_order(calls)
        moved += ordered != calls
        for tensor, value in run(ordered, given).items():
            np.testing.assert_allclose(value, found[tensor], 1e-12)
    assert moved > 50
    calls = [Call("copy", SLICES[0], (SLICES[1],), ()), Call("relu", B, (), ()), add(A, SLICES[0], 2)]
    assert in_saving_order(calls) == [calls[0], calls[2], calls[1]]
    assert in_saving_order([*calls, add(B, SLICES[0])]) == [*calls, add(B, SLICES[0])]  # which is needed later


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
