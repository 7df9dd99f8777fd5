"""A family of networks from one search: one for each of several budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bars_tf import console
from bars_tf.cost.budget import Budget
from bars_tf.search.derivation.candidates import Candidate
from bars_tf.space.genotype import Genotype

# Children that evolution adds to the candidates of a budget, more in each round, while the best of them scores below
# the member of a smaller budget; after the last round that one gives way.
CHILDREN = (0, 16, 24)


def rank_members(rank: Callable[..., list[Candidate]], budgets: Mapping[float, Budget],
                 known: Mapping[Genotype, tuple[float, float]] | None = None) -> dict[float, list[Candidate]]:
    """Ranks the candidates of each budget and returns them, the member of the family first.

    A member uses `NEARLY_ALL` of its budget if any candidate does, and scores no worse than the members of smaller
    budgets.

    Args:
        rank: `ranking.rank` for one supernet and its images, to be called with `known`, `budget`, `relatives` and
            `num_children`.
        budgets: by limit, increasing.
        known: accuracy and loss of genotypes that were scored before.
    """
    found, relatives, known = {}, [], dict(known or {})
    for limit, budget in budgets.items():
        best_smaller = max((ranked[0].accuracy for ranked in found.values()), default=0.0)
        for num_children in CHILDREN:
            ranked = rank(known=known, budget=budget, relatives=relatives, num_children=num_children)
            known |= {c.genotype: (c.accuracy, c.loss) for c in ranked}
            if ranked[0].accuracy >= best_smaller:
                break
        found[limit] = ranked
        relatives = [c.genotype for c in ranked[:4]]
    return _monotone(found)


def _monotone(found: dict[float, list[Candidate]]) -> dict[float, list[Candidate]]:
    """Where a member scores above that of a larger budget, the best candidate that does not takes its place, if any: a
    supernet cannot resolve such differences."""
    most = float("inf")
    for limit in sorted(found, reverse=True):
        ranked = found[limit]
        member = next((c for c in ranked if c.accuracy <= most), ranked[0])
        if ranked[0].accuracy > most:
            which = "all its candidates score" if member.accuracy > most else "its best candidate gives way: it scores"
            console.say(f"family  {limit:,.0f}: {which} above the member of the next budget, for which a higher "
                        "--num_candidates may find a better one")
        found[limit] = [member, *(c for c in ranked if c is not member)]
        most = min(most, member.accuracy)
    return found


def file_name(limit: float) -> str:
    """Returns the name of the file that holds the genotype of a budget."""
    return f"{limit:.0f}.json"
