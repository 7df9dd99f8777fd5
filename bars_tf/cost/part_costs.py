"""The parts of the networks of a space and what each costs, and the cost of a genotype by them."""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from bars_tf.cost.features import Features
from bars_tf.cost.measures import LATENCY, Cost
from bars_tf.space.encoding import chosen_edges
from bars_tf.space.genotype import Genotype
from bars_tf.space.positions import CellPosition
from bars_tf.space.search_space import SearchSpace


class CellCosts(NamedTuple):
    """Costs of one cell by (width of its input's stage, width of its stage), in the fields of `Cost`.

    Attributes:
        fixed: of the layers that are always there (shortcut, or backbone) [W, W, fields].
        terms: of each feature of its topology [W, W, features, fields]. Memory is what the cell with edges takes more,
            and stands at the numbers of nodes.
    """

    position: CellPosition
    fixed: np.ndarray
    terms: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class CostTables:
    """Costs of everything in a space at one input shape.

    Those of stem and head [W, fields] are by the width of the first and of the last stage, the cells in order at full
    depth. Without a device no network takes time.
    """

    space: SearchSpace
    features: Features
    stem: np.ndarray
    head: np.ndarray
    cells: tuple[CellCosts, ...]


def cost_of(genotype: Genotype, tables: CostTables) -> Cost:
    """The exact cost of a genotype by the tables of its space; of memory the bound that a budget counts."""
    costs = np.array([cost for _, cost in _terms(genotype, tables)])
    return _as_cost([*costs[:, :-1].sum(0), costs[:, -1].max()])


def cost_by_cell(genotype: Genotype, tables: CostTables) -> list[tuple[str, Cost]]:
    """The exact costs of the stem, of each kept cell, and of the head, by name."""
    return [(name, _as_cost(cost)) for name, cost in _terms(genotype, tables)]


def _as_cost(values: Iterable[float]) -> Cost:
    found = Cost(*map(float, values))
    return Cost(*map(round, found))._replace(**{LATENCY: found.latency_us or 0})


def _terms(genotype: Genotype, tables: CostTables) -> list[tuple[str, np.ndarray]]:
    """Costs [fields] by name. Thousands of genotypes are counted before a search: every choice is looked up."""
    space = genotype.space
    index = [space.width_choices.index(width) for width in genotype.widths]
    found = [tables.features.of(chosen) for chosen in chosen_edges(genotype)]
    features = dict(zip(space.groups, found))
    rows = [("stem", tables.stem[index[0]])]
    for position, fixed, terms in tables.cells:
        if position.depth <= genotype.depths[position.stage]:
            at = index[position.source_stage], index[position.stage]
            rows.append((f"{position.name} ({position.group})", fixed[at] + features[position.group] @ terms[at]))
    return [*rows, ("head", tables.head[index[-1]])]
