"""Fixtures of the laws."""

import pytest
from small_spaces import (
    ENUMERABLE,
    ENUMERABLE_NASB,
    all_choices,
)

from bars_tf.cost.tables import cost_of, cost_tables


@pytest.fixture(scope="module", params=[ENUMERABLE, ENUMERABLE_NASB], ids=["bars", "nasb"])
def enumerated(request):
    space = request.param
    tables = cost_tables(space, (8, 8, 1), 2)
    return tables, [(c, g, cost_of(g, tables)) for c, g in all_choices(space)]
