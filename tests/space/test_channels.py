"""Channels in blocks, of which widths keep prefixes."""

import pytest

from bars_tf.space.channels import Channels


def test_a_width_keeps_a_prefix_of_each_block():
    channels = Channels(4, blocks=3, stage=1)
    assert channels.total == 12 and channels.count() == 12 and channels.count(0.5) == 6
    assert channels.slots(0.5) == [0, 1, 4, 5, 8, 9]
    assert channels.slots() == list(range(12))


def test_channels_without_a_stage_have_a_fixed_number():
    channels = Channels(5, blocks=2)
    assert channels.count(0.25) == 10 and channels.slots(0.25) == list(range(10))


@pytest.mark.parametrize("blocks, half", [(4, Channels(8, 2, 0)), (3, Channels(4, 3, 0)), (1, Channels(4, 1, 0))])
def test_halves_together_have_all_channels(blocks, half):
    """Whole blocks where their number is even, else a half of each block."""
    channels = Channels(8, blocks, 0)
    assert channels.half() == half
    assert all(2 * half.count(width) == channels.count(width) for width in (0.25, 0.5, 1.0))
