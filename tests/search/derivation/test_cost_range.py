"""The reach of a space, and budgets beyond it."""

import re

import pytest
from small_spaces import DEVICE, SMALL, sampled_genotypes

from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import LIMITED
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.errors import FieldError
from bars_tf.search.derivation.optimum import check_budget, cost_range, most_probable
from bars_tf.space.encoding import Choices, one_hot

TABLES = cost_tables(SMALL, (16, 16, 3), 10, DEVICE)


@pytest.mark.parametrize("name", LIMITED)
def test_every_network_lies_within_the_range(name, rng):
    """And a budget of the smallest one is kept by a network that is so small."""
    smallest, largest = cost_range(TABLES, name)
    costs = [cost_of(genotype, TABLES) for genotype in sampled_genotypes(SMALL, rng, 30)]
    assert all(smallest <= getattr(cost, name) <= largest for cost in costs)
    budget = Budget(**{name: smallest}, device=DEVICE)
    check_budget(TABLES, budget)
    alphas = Choices(*one_hot(next(sampled_genotypes(SMALL, rng, 1))))
    assert getattr(cost_of(most_probable(alphas, TABLES, budget), TABLES), name) == smallest
    with pytest.raises(FieldError, match=re.escape(f"from {smallest:.6g} to {largest:.6g}")) as refused:
        check_budget(TABLES, Budget(**{name: 0.99 * smallest}, device=DEVICE))
    assert refused.value.field == name
