"""Values of flags."""

import pytest

from bars_tf.cli.flags import parse_quantity
from bars_tf.cost.budget import Family, parse_family


def test_measures_of_budgets():
    for name, measure in (("", "ops"), ("bops:", "bops"), ("flops:", "flops"), ("params:", "params"),
                          ("size:", "size_bytes"), ("peak:", "peak_bytes")):
        assert parse_family(f"{name}50k,90k") == Family(measure, (50e3, 90e3))


@pytest.mark.parametrize("value", ["90k,50k", "50k,50k", "50k", "50k,12Q", "weight:1,2", "params:2k,1k", ""])
def test_malformed_budgets(value):
    with pytest.raises(ValueError, match="must be"):
        parse_family(value)


def test_quantities():
    for text, value in (("250k", 250e3), ("12.5M", 12.5e6), ("1G", 1e9), ("4000000", 4e6), (".5k", 500)):
        assert parse_quantity(text) == value
