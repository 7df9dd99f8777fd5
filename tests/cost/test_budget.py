"""Budgets: limits, fractions of them, families, and the text of flags."""

import pytest
from small_spaces import DEVICE

from bars_tf.cost.budget import Budget, Family, parse_family, parse_overhead, parse_quantity
from bars_tf.cost.measures import LIMITED, Cost
from bars_tf.errors import FieldError

COST = Cost(bops=640.0, flops=10.0, binary_params=80.0, float_params=5.0, elementwise_ops=50.0, latency_us=7.0,
            peak_bytes=100.0)


def test_measures_of_a_cost():
    assert COST.to_dict() == {"bops": 640, "flops": 10, "ops": 20, "params": 85, "size_bytes": 30,
                              "elementwise_ops": 50, "latency_us": 7, "peak_bytes": 100}
    assert "latency_us" not in COST._replace(latency_us=0).to_dict()  # without a device
    assert COST.as_float().to_dict() == {"bops": 0, "flops": 650, "ops": 650, "params": 85, "size_bytes": 340,
                                         "elementwise_ops": 50, "peak_bytes": 100}


@pytest.mark.parametrize("name", LIMITED)
def test_every_measure_can_be_limited(name):
    value = COST.to_dict()[name]
    exact = Budget(**{name: value}, device=DEVICE)
    assert exact.allows(COST) and exact.used(COST) == 1
    tight = Budget(**{name: value - 1}, device=DEVICE)
    assert tight.exceeded(COST) == {name: value - 1} and not tight.allows(COST)
    with pytest.raises(FieldError) as error:
        Budget(**{name: 0}, device=DEVICE)
    assert (error.value.field, error.value.value) == (name, 0)


def test_memory_counts_alone_or_where_it_is_exceeded():
    assert Budget(ops=40, peak_bytes=110).fractions(COST) == {"ops": 0.5}
    assert Budget(ops=40, peak_bytes=50).fractions(COST) == {"ops": 0.5, "peak_bytes": 2}
    assert Budget(peak_bytes=110).used(COST) == pytest.approx(100 / 110)
    assert Budget().used(COST) == 1 and Budget().allows(COST)


def test_sums_are_weights_of_the_fields_of_a_cost():
    weights, limits = Budget(ops=30, size_bytes=60, peak_bytes=1).sums()
    assert (weights @ COST).tolist() == [20, 30] and limits.tolist() == [30, 60]


def test_a_family_has_a_budget_for_each_limit():
    family = parse_family("size:1k, 4k")
    assert family == Family("size_bytes", (1e3, 4e3)) and str(family) == "size:1000,4000"
    assert parse_family(str(family)) == family and parse_family("1,2").measure == "ops"
    assert family.budgets(Budget(ops=5)) == {1e3: Budget(ops=5, size_bytes=1e3), 4e3: Budget(ops=5, size_bytes=4e3)}
    assert family.steering(Budget()) == Budget(size_bytes=2e3)


@pytest.mark.parametrize("text", ["1M", "2,1", "macs:1,2", "1,1"])
def test_texts_that_are_no_family(text):
    with pytest.raises(ValueError, match="two or more increasing numbers"):
        parse_family(text)


def test_quantities():
    assert [parse_quantity(text) for text in ("250k", "12.5M", "1G", ".5", " 7 ")] == [250e3, 12.5e6, 1e9, 0.5, 7]
    for text in ("0", "-1", "1e6", "5 M", "", "1" + "0" * 400):
        with pytest.raises(ValueError, match="must be a number above 0"):
            parse_quantity(text)


def test_overheads():
    assert parse_overhead("0.1") == dict.fromkeys(("ops", "bops", "size_bytes", "elementwise_ops", "peak_bytes"), 0.1)
    assert parse_overhead("bops:0.2, size:0") == {"bops": 0.2, "size_bytes": 0}
    assert parse_overhead("none") is None
    for text in ("-0.1", "ops", "params:0.1", ""):
        with pytest.raises(ValueError, match="must be a number of at least 0"):
            parse_overhead(text)
