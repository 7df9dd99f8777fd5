"""A family of networks from one search: one for each of several budgets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from bars_tf import console as screen
from bars_tf.cli.flag_values import parse_budgets
from bars_tf.config import SearchConfig
from bars_tf.cost.tables import NEARLY_ALL, Budget, CostTables
from bars_tf.errors import InputError, as_text
from bars_tf.search.derivation import candidates as derive
from bars_tf.search.derivation.candidates import Candidate
from bars_tf.search.supernet import scoring
from bars_tf.space.genotype import Genotype

if TYPE_CHECKING:
    from bars_tf.search.supernet.supernet import Supernet

# How often evolution goes on for a member that scores below a smaller one, before that one gives way, and by how many
# children at least.
ROUNDS, FEWEST_EVOLVED = 3, 8


def check(config: SearchConfig, tables: CostTables) -> None:
    """Raises: InputError that names the reachable budgets, where no network keeps and uses some of them."""
    measure, limits = parse_budgets(config.budgets)
    smallest, largest = derive.cost_range(tables, measure)
    reachable = [limit for limit in limits if smallest <= limit and NEARLY_ALL * limit <= largest]
    if len(reachable) < len(limits):
        within = ", ".join(map(as_text, reachable)) or "none of these"
        raise InputError.of("budgets", config.budgets, f"the space reaches from {smallest:.6g} to {largest:.6g}; "
                            f"within its reach: {within}")


def members(config: SearchConfig, limits: Budget) -> dict[float, Budget]:
    """The budgets by the limit that sets them apart, increasing; `limits`: what holds for all of them."""
    measure, values = parse_budgets(config.budgets)
    return {value: dataclasses.replace(limits, **{measure: value}) for value in values}


def steered(config: SearchConfig, limits: Budget) -> Budget:
    """What the search itself is steered to: the geometric mean of the smallest and the largest budget (our choice)."""
    measure, values = parse_budgets(config.budgets)
    return dataclasses.replace(limits, **{measure: (values[0] * values[-1]) ** 0.5})


def derived(supernet: Supernet, batches: Iterable, budgets: Mapping[float, Budget], num_samples: int, num_evolved: int,
            known: Mapping[Genotype, tuple[float, float]] | None = None,
            progress: Callable[[Candidate, int, int], None] | None = None) -> dict[float, list[Candidate]]:
    """Candidates of each budget, its member first: one that takes `NEARLY_ALL` of it if there is one, and is scored no
    worse than the members of smaller budgets.

    Args:
        budgets: by limit, increasing.
        num_samples, num_evolved, known, progress: as in `scoring.rank`.
    """
    scorer, found, relatives, known = scoring.Scorer(supernet), {}, [], dict(known or {})
    for limit, budget in budgets.items():
        best_smaller = max((ranked[0].accuracy for ranked in found.values()), default=0.0)
        more = max(num_evolved, FEWEST_EVOLVED)
        for evolved in (num_evolved, *(rounds * more for rounds in range(2, ROUNDS + 1))):
            ranked = scoring.rank(supernet, batches, num_samples, progress, known, evolved, budget, relatives, scorer)
            known |= {c.genotype: (c.accuracy, c.loss) for c in ranked}
            if ranked[0].accuracy >= best_smaller:
                break
        found[limit] = ranked
        relatives = [c.genotype for c in ranked[:4]]
    return _monotone(found)


def _monotone(found: dict[float, list[Candidate]]) -> dict[float, list[Candidate]]:
    """Where a member scores above that of a larger budget, the best candidate that does not takes its place, if any:
    such differences are below what a supernet can tell."""
    most = float("inf")
    for limit in sorted(found, reverse=True):
        ranked = found[limit]
        member = next((c for c in ranked if c.accuracy <= most), ranked[0])
        if member.accuracy > most:
            screen.say(f"family  {limit:,.0f}: all its candidates score above that of the next budget; a higher "
                       "--num_evolved may find a better one for that")
        elif member is not ranked[0]:
            screen.say(f"family  {limit:,.0f}: its best candidate scores above that of the next budget and gives way; "
                       "a higher --num_evolved may find a better one for that")
        found[limit] = [member, *(c for c in ranked if c is not member)]
        most = min(most, member.accuracy)
    return found


def file_name(limit: float) -> str:
    """Of the genotype of a budget."""
    return f"{limit:.0f}.json"
