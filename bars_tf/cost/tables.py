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

import functools
import itertools

import numpy as np

from bars_tf.cost.counting import CellCounter, Counter
from bars_tf.cost.device import Device
from bars_tf.cost.features import Features, Readers
from bars_tf.cost.measures import Cost
from bars_tf.cost.operation import Operation
from bars_tf.cost.part_costs import CellCosts, CostTables, cost_by_cell, cost_of
from bars_tf.network.builder import head, stem
from bars_tf.network.layers import strided
from bars_tf.space.genotype import Genotype
from bars_tf.space.positions import CellPosition
from bars_tf.space.search_space import SearchSpace

__all__ = ["CostTables", "cost_at", "cost_by_cell", "cost_of", "cost_tables", "operations_of_space"]


@functools.lru_cache(maxsize=16)
def cost_tables(space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int, device: Device | None = None
                ) -> CostTables:
    """The costs of a space for images (height, width, channels), each counted once for all widths on which it depends;
    kept for the next call. Raises: InputError if the device does not say how long one of the operations takes."""
    count = Counter(space, device)
    stems, heads, cells, last = [], [], [], space.num_stages - 1
    height, width, channels = input_shape
    for choice in space.width_choices:
        factory = count.factory({0: choice})
        layers = factory.needed(stem(factory, factory.image(input_shape), channels))
        height, width, _ = layers[max(layers)].shape
        stems.append(count.cost(layers))
    found = []
    for position in space.cells():
        found.append((position, *_cell_costs(count, position, (height, width))))
        height, width = strided((height, width), position.stride)
    features = Features(space, tuple(dict.fromkeys(key for *_, shared in found for key in shared)))
    for position, fixed, terms, shared in found:
        by_readers = [shared.get(key, np.zeros_like(fixed)) for key in features.readers]
        cells.append(CellCosts(position, fixed, np.concatenate([terms, *(s[:, :, None] for s in by_readers)], axis=2)))
    for choice in space.width_choices:
        factory = count.factory({last: choice}, num_classes=num_classes)
        image = factory.image((height, width, space.path_channels(last).count(choice)))
        heads.append(count.cost(factory.needed(head(factory, image))))
    return CostTables(space, features, np.array(stems), np.array(heads), tuple(cells))


class _AllTimes:
    """In place of a device: takes down every operation whose time is asked for."""

    def __init__(self) -> None:
        self.operations: dict[Operation, None] = {}

    def time_us(self, operation: Operation) -> float:
        self.operations[operation] = None
        return 0.0


def operations_of_space(space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int) -> list[Operation]:
    """All operations of all networks of a space, each once."""
    found = _AllTimes()
    cost_tables.__wrapped__(space, input_shape, num_classes, found)
    return list(found.operations)


def _cell_costs(count: Counter, position: CellPosition, size: tuple[int, int]
                ) -> tuple[np.ndarray, np.ndarray, dict[Readers, np.ndarray]]:
    """The fixed costs of a cell, the terms of all features but readers, and those of readers."""
    space, fields = count.space, len(Cost._fields)
    widths, features = space.width_choices, Features(space)
    shape = (len(widths), len(widths))
    fixed, terms = np.zeros((*shape, fields)), np.zeros((*shape, features.size, fields))
    counts = terms[:, :, features.num_edges:features.further]
    shared: dict[Readers, np.ndarray] = {}
    by_edge = terms[:, :, :features.num_edges].reshape(*shape, len(space.edges), len(space.primitives), fields)
    for a, b in itertools.product(range(len(widths)), repeat=2):
        if a != b and not position.opens_stage:
            continue
        chosen = {position.source_stage: widths[a], position.stage: widths[b]}
        cell_count = CellCounter(count, position, size, chosen)
        fixed[a, b] = cell_count.cell(0)
        for alive in range(1, space.num_nodes + 1):
            counts[a, b, alive - 1] = cell_count.cell(alive) - fixed[a, b]
        terms[a, b, features.further] = cell_count.addition()
        counts[a, b, :, -1] = cell_count.full_peak() - fixed[a, b, -1]
        from_input, from_node = cell_count.edges(0), cell_count.edges(1) if space.num_nodes > 1 else None
        for source in range(space.num_nodes):
            own, by_readers, extra = from_node if source and from_node else from_input
            for edge, (start, _) in enumerate(space.edges):
                if start == source:
                    by_edge[a, b, edge] = own
            counts[a, b] += extra
            for primitives, cost in by_readers.items():
                shared.setdefault((source, primitives), np.zeros((*shape, fields)))[a, b] += cost
    return fixed, terms, shared


def cost_at(genotype: Genotype, input_shape: tuple[int, int, int], num_classes: int, device: Device | None = None
            ) -> Cost:
    """The same for images (height, width, channels) of a number of classes, with its time on a device."""
    return cost_of(genotype, cost_tables(genotype.space, tuple(input_shape), num_classes, device))
