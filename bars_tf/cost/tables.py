"""Exact costs of genotypes, from tables of the costs of a space's stem, cells and head.

What is counted is what Larq's model profile counts on the derived network: multiply-accumulates of all convolutions
and dense layers, binary and float apart, and their parameters, two for each batch-normalized channel. Everything
counts: stem, process, shortcuts, reduction cells, head.

The cost of a network is a sum over stem, cells and head, each of which depends on at most two widths. The tables hold
its terms, so that exact and expected costs, derivation and search share one formula.

Memory of activations, the last field of the tables, is the largest of these terms instead: only the main path goes
from one of them to the next. A cell counts with the primitive that needs the most memory on all of its edges, or, if
the cell has no edge, with the shortcut or the backbone alone (our choice: that depends on few choices, and no network
of the package's primitives takes more; poolings of one's own beside convolutions can).
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from bars_tf.cost.measures import Cost
from bars_tf.network.builder import cell, head, stem
from bars_tf.network.layer_list import Layer, LayerListFactory, Layers, peak_activation_bytes, strided
from bars_tf.space.encoding import chosen_edges
from bars_tf.space.genotype import Genotype, uniform
from bars_tf.space.positions import CellPosition
from bars_tf.space.search_space import SearchSpace


class CellCosts(NamedTuple):
    """Costs of one cell by (width of its input's stage, width of its stage), in the fields of `Cost`.

    Attributes:
        process: of the layers that any edge brings with it (process, or batch norm of the nodes' sum) [W, W, 5];
            memory is what the cell with edges takes more.
        fixed: of the layers that are always there (shortcut, or backbone) [W, W, 5].
        edges: of each primitive on each edge [W, W, edges, primitives, 5], without memory.
    """

    position: CellPosition
    process: np.ndarray
    fixed: np.ndarray
    edges: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class CostTables:
    """Costs of everything in a space at one input shape.

    Those of stem and head [W, 5] are by the width of the first and of the last stage, the cells in order at full depth.
    """

    space: SearchSpace
    stem: np.ndarray
    head: np.ndarray
    cells: tuple[CellCosts, ...]


@functools.lru_cache(maxsize=16)
def cost_tables(space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int) -> CostTables:
    """The costs of a space for images (height, width, channels), each counted once for all widths on which it depends;
    kept for the next call."""
    stems, heads, cells, last = [], [], [], space.num_stages - 1
    height, width, channels = input_shape
    for choice in space.width_choices:
        factory = _factory(space, {0: choice}, None)
        layers = factory.needed(stem(factory, factory.image(input_shape), channels))
        height, width, _ = layers[max(layers)].shape
        stems.append(_cost(layers))
    for position in space.cells():
        cells.append(_cell_costs(space, position, (height, width)))
        height, width = strided((height, width), position.stride)
    for choice in space.width_choices:
        factory = _factory(space, {last: choice}, None, num_classes)
        image = factory.image((height, width, space.path_channels(last).count(choice)))
        heads.append(_cost(factory.needed(head(factory, image))))
    return CostTables(space, np.array(stems), np.array(heads), tuple(cells))


def _cell_costs(space: SearchSpace, position: CellPosition, size: tuple[int, int]) -> CellCosts:
    """Lists the cell without edges, and with each primitive on all edges at once."""
    fields, widths = len(Cost._fields), space.width_choices
    shape = (len(widths), len(widths))
    process, fixed = np.zeros((*shape, fields)), np.zeros((*shape, fields))
    edges = np.zeros((*shape, len(space.edges), len(space.primitives), fields))

    def layers(chosen: Mapping[int, float], primitive: str | None) -> Layers:
        factory = _factory(space, chosen, primitive)
        source = space.path_channels(position.source_stage).count(chosen[position.source_stage])
        return factory.needed(cell(factory, factory.image((*size, source)), position))

    for a, b in itertools.product(range(len(widths)), repeat=2):
        if a != b and not position.opens_stage:
            continue
        chosen = {position.source_stage: widths[a], position.stage: widths[b]}
        fixed[a, b] = _cost(layers(chosen, None))
        for k, primitive in enumerate(space.primitives):
            if primitive == "none":
                continue
            listed = layers(chosen, primitive)
            process[a, b, :-1] = -fixed[a, b, :-1]
            for layer in listed.values():
                costs = process[a, b] if layer.candidate is None else edges[a, b, layer.candidate.edge, k]
                costs[:-1] += _sums(layer)
            process[a, b, -1] = max(process[a, b, -1], peak_activation_bytes(listed) - fixed[a, b, -1])
    return CellCosts(position, process, fixed, edges)


def _factory(space: SearchSpace, widths: Mapping[int, float], primitive: str | None, num_classes: int = 1
             ) -> LayerListFactory:
    """Lists layers of a network of these widths, by stage, with the primitive on every edge."""
    every = tuple(widths.get(stage, space.width_choices[0]) for stage in range(space.num_stages))
    return LayerListFactory(uniform(space, primitive, every), num_classes)


def _sums(layer: Layer) -> tuple[int, int, int, int]:
    """The fields of `Cost` that are sums over layers."""
    macs, params = layer.macs, layer.params
    return (macs, 0, params, 0) if layer.kind == "binary_conv" else (0, macs, 0, params)


def _cost(layers: Layers) -> list[int]:
    return [*map(sum, zip(*map(_sums, layers.values()))), peak_activation_bytes(layers)]


def cost_of(genotype: Genotype, tables: CostTables) -> Cost:
    """The exact cost of a genotype by the tables of its space; of memory the bound that a budget counts."""
    costs = np.array([cost for _, cost in _terms(genotype, tables)])
    return _as_cost([*costs[:, :-1].sum(0), costs[:, -1].max()])


def cost_at(genotype: Genotype, input_shape: tuple[int, int, int], num_classes: int) -> Cost:
    """The same for images (height, width, channels) of a number of classes."""
    return cost_of(genotype, cost_tables(genotype.space, tuple(input_shape), num_classes))


def cost_by_cell(genotype: Genotype, tables: CostTables) -> list[tuple[str, Cost]]:
    """The exact costs of the stem, of each kept cell, and of the head, by name."""
    return [(name, _as_cost(cost)) for name, cost in _terms(genotype, tables)]


def _as_cost(values: Iterable[float]) -> Cost:
    return Cost(*(round(float(value)) for value in values))


def _terms(genotype: Genotype, tables: CostTables) -> list[tuple[str, np.ndarray]]:
    """Costs [5] by name. Thousands of genotypes are counted before a search: every choice is looked up."""
    space = genotype.space
    index = [space.width_choices.index(width) for width in genotype.widths]
    chosen = dict(zip(space.groups, chosen_edges(genotype)))
    rows = [("stem", tables.stem[index[0]])]
    for position, process, fixed, edges in tables.cells:
        if position.depth <= genotype.depths[position.stage]:
            at = index[position.source_stage], index[position.stage]
            cost = fixed[at] + process[at] if chosen[position.group] else fixed[at]
            for edge in chosen[position.group]:
                cost = cost + edges[at][edge]
            rows.append((f"{position.name} ({position.group})", cost))
    return [*rows, ("head", tables.head[index[-1]])]
