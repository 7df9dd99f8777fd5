"""Fixtures of the laws."""

import pytest
from small_spaces import (
    DEVICE,
    ENUMERABLE,
    ENUMERABLE_NASB,
    all_choices,
)

from bars_tf.cost.tables import cost_of, cost_tables

# Edges share more or less of what they read, and the process convolution writes signs where only they are read.
PLAIN = ENUMERABLE.replace(plain_convolutions=True, width_choices=(1.0,), layout="R",
                           primitives=("none", "skip", "bin_conv_1x1", "bin_conv_3x3", "avg_pool_3x3"))


@pytest.fixture(scope="module", params=[ENUMERABLE, ENUMERABLE_NASB, PLAIN], ids=["bars", "nasb", "plain"])
def enumerated(request):
    space = request.param
    tables = cost_tables(space, (8, 8, 1), 2, DEVICE)
    return tables, [(c, g, cost_of(g, tables)) for c, g in all_choices(space)]
