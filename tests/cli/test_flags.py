"""Values of flags."""

from bars_tf.cli.flags import parse_quantity


def test_quantities():
    for text, value in (("250k", 250e3), ("12.5M", 12.5e6), ("1G", 1e9), ("4000000", 4e6), (".5k", 500)):
        assert parse_quantity(text) == value
