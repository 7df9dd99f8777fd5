"""Values of flags."""

import pytest

from bars_tf.cli.flags import parse_quantity
from bars_tf.cost.budget import Family, parse_family, parse_time


def test_measures_of_budgets():
    for name, measure in (("", "ops"), ("bops:", "bops"), ("flops:", "flops"), ("params:", "params"),
                          ("size:", "size_bytes"), ("elementwise:", "elementwise_ops"), ("peak:", "peak_bytes")):
        assert parse_family(f"{name}50k,90k") == Family(measure, (50e3, 90e3))
    family = parse_family("latency:8ms,0.012s")
    assert family == Family("latency_us", (8e3, 12e3)) and parse_family(str(family)) == family


@pytest.mark.parametrize("value, us", [("12ms", 12e3), ("800us", 800), ("800µs", 800), ("0.1s", 1e5), ("12000", 12e3),
                                       (" .5ms ", 500), ("12.0", 12)])
def test_times(value, us):
    assert parse_time(value) == pytest.approx(us)


@pytest.mark.parametrize("value", ["", "0", "0ms", "-1ms", "12 min", "12k", "ms", "1e3", "nan", "inf", "1,2", "12mss"])
def test_malformed_times(value):
    with pytest.raises(ValueError, match="must be a time above 0 such as 12ms"):
        parse_time(value)


@pytest.mark.parametrize("value", ["90k,50k", "50k,50k", "50k", "50k,12Q", "weight:1,2", "params:2k,1k", ""])
def test_malformed_budgets(value):
    with pytest.raises(ValueError, match="must be"):
        parse_family(value)


def test_quantities():
    for text, value in (("250k", 250e3), ("12.5M", 12.5e6), ("1G", 1e9), ("4000000", 4e6), (".5k", 500)):
        assert parse_quantity(text) == value
