"""What layers cost, and what the edges of a cell cost: each by itself, and what they share.

A *charge* is what a layer costs, or its signs, or the time of either. The signs of a node, and the way of its shortcut,
are shared by all edges that need them; the converter merges poolings and shifts too, so that they share their times.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from bars_tf.cost.device import Device
from bars_tf.cost.measures import Cost
from bars_tf.cost.operation import Operation
from bars_tf.cost.operations import elementwise_ops, merged, nodes, scales_kernels, signs, takes_signs
from bars_tf.network.blocks import identity
from bars_tf.network.builder import cell
from bars_tf.network.layer_list import LayerListFactory
from bars_tf.network.layers import Layer, Layers, peak_activation_bytes, strided
from bars_tf.space.genotype import uniform
from bars_tf.space.positions import CellPosition
from bars_tf.space.search_space import SearchSpace

FIELDS = len(Cost._fields)
WEIGHTLESS, SIGN_TIME = ("pool", "copy"), "time of signs"


class Charge(NamedTuple):
    """A cost [fields]. Charges of the same key are one; `key` is None where a charge is no other's."""

    key: tuple | None
    cost: np.ndarray


class Counter:
    """Counts the layers of a space's networks, and their times on a device if there is one."""

    def __init__(self, space: SearchSpace, device: Device | None):
        self.space, self.device = space, device
        self._uniform = functools.cache(functools.partial(uniform, space))

    def charges(self, layers: Layers) -> Iterator[Charge]:
        """The charges of layers, of which layer 0 is a node."""
        for number, layer in layers.items():
            macs, params, binary = layer.macs, layer.params, layer.kind == "binary_conv"
            yield Charge(_key("layer", layers, number), np.array([
                macs * binary, macs * (not binary), params * binary, params * (not binary),
                elementwise_ops(layer, layers), 0, 0], dtype=np.float64))
        for number in signs(layers):
            yield Charge(_key("signs", layers, number), self._only("elementwise_ops", layers[number].elements))
        if self.device:
            found = merged(layers)
            for operation, number, is_sign in nodes(found, scales_kernels(self.space)):
                path = _path(found, number)
                yield Charge(None if path is None else (SIGN_TIME if is_sign else "time", path), self.time(operation))

    def cost(self, layers: Layers) -> np.ndarray:
        """The fields of `Cost`."""
        found = self.total(layers)
        found[-1] = peak_activation_bytes(layers)
        return found

    def total(self, layers: Layers) -> np.ndarray:
        """The fields of `Cost` that are sums."""
        return sum((charge.cost for charge in self.charges(layers)), np.zeros(FIELDS))

    def time(self, operation: Operation) -> np.ndarray:
        """The time of an operation, as the fields of `Cost`."""
        return self._only("latency_us", self.device.time_us(operation) if self.device else 0.0)

    @staticmethod
    def _only(field: str, value: float) -> np.ndarray:
        found = np.zeros(FIELDS)
        found[Cost._fields.index(field)] = value
        return found

    def factory(self, widths: Mapping[int, float], primitive: str | None = None, num_classes: int = 1, alive: int = 0
                ) -> "PartFactory":
        """Lists parts of networks of these widths, by stage, with the primitive on every edge."""
        space = self.space
        every = tuple(widths.get(stage, space.width_choices[0]) for stage in range(space.num_stages))
        return PartFactory(self._uniform(primitive, every), num_classes, alive)


class PartFactory(LayerListFactory):
    """Lists a part of a network; instead of edges, the first `alive` nodes can have an input that costs nothing."""

    def __init__(self, genotype, num_classes: int, alive: int):
        super().__init__(genotype, num_classes)
        self.alive = alive

    def edge(self, position, edge, x, identity, source, target, stride):
        if not self.alive:
            return super().edge(position, edge, x, identity, source, target, stride)
        if edge[0] or edge[1] > self.alive:
            return None
        return self._add("edges", x, channels=self._count(target), stride=stride, name=f"edges_{edge[1]}")


class CellCounter:
    """Counts a cell at a position, under the widths of the stages of its input and output.

    Args:
        size: (height, width) of its input.
    """

    def __init__(self, counter: Counter, position: CellPosition, size: tuple[int, int], widths: Mapping[int, float]):
        self.counter, self.space, self.position, self.size, self.widths = (
            counter, counter.space, position, size, widths)

    def _layers(self, primitive: str | None = None, alive: int = 0) -> Layers:
        factory = self.counter.factory(self.widths, primitive, alive=alive)
        source = self.space.path_channels(self.position.source_stage).count(self.widths[self.position.source_stage])
        return factory.needed(cell(factory, factory.image((*self.size, source)), self.position))

    def cell(self, alive: int) -> np.ndarray:
        """Costs [fields] of the cell without its edges, where so many nodes have one input."""
        return self.counter.cost(self._layers(alive=alive))

    def full_peak(self) -> float:
        """Bytes of activations of the cell with the primitive on all its edges that needs the most."""
        return max(peak_activation_bytes(self._layers(name)) for name in (None, *self.space.primitives))

    def addition(self) -> np.ndarray:
        """Costs [fields] of the addition of two inputs of a node."""
        shape = (*strided(self.size, self.position.stride), self._channels(self.position.stage))
        layers = {0: Layer("image", (), shape), 1: Layer("image", (), shape), 2: Layer("add", (0, 1), shape)}
        return self.counter.total(layers)

    def edges(self, source: int) -> tuple[np.ndarray, dict[frozenset[int], np.ndarray], np.ndarray]:
        """The costs of the edges that leave a node.

        Returns: costs of each primitive by itself [primitives, fields]; costs that edges share, by the primitives of
        which any brings them; and what they change where the cell has any edge [fields].
        """
        own = np.zeros((len(self.space.primitives), FIELDS))
        shared: dict[tuple, np.ndarray] = {}
        members: dict[tuple, set[int]] = {}
        floats = set()
        for k, name in enumerate(self.space.primitives):
            if name == "none":
                continue
            layers, result = self._edge(source, name)
            for key, cost in self.counter.charges(layers):
                if key is None:
                    own[k] += cost
                    continue
                if k not in members.setdefault(key, set()):
                    members[key].add(k)
                    shared[key] = np.zeros(FIELDS)
                shared[key] += cost
            if result == 0 or not all(takes_signs(layer, layers) for layer in layers.values() if 0 in layer.inputs):
                floats.add(k)
        is_input = bool(self.space.backbone) or self.space.full_width_nodes
        if source == 0 and is_input:  # the cell's input, of which the rest of the cell may need the same
            for key, _ in self.counter.charges(self._layers()):
                if key and key[0] != "layer":  # an edge has poolings of its own, which the converter merges
                    shared.pop(key, None)
        by_readers: dict[frozenset[int], np.ndarray] = {}

        def add(primitives, cost):
            if primitives and cost.any():
                by_readers[primitives] = by_readers.get(primitives, 0) + cost

        extra, packed = np.zeros(FIELDS), (SIGN_TIME, ())
        for key, cost in shared.items():
            add(frozenset(members[key]), cost)
        if source == 0 and not is_input and packed in shared and not members[packed] <= floats:
            # The process convolution writes signs by itself unless something else is read of it as well. Every edge
            # reads one or the other, so that [both] = [signs] + [something else] - [any edge].
            add(frozenset(floats), shared[packed])
            extra = -shared[packed]
        return own, by_readers, extra

    def _edge(self, source: int, primitive: str) -> tuple[Layers, int]:
        """The layers of an edge that leaves a node, which is layer 0, and the number of its output."""
        position, stage = self.position, self.position.stage if source else self.position.source_stage
        stride = 1 if source else position.stride
        factory = self.counter.factory(self.widths, primitive)
        size = strided(self.size, position.stride) if source else self.size
        x = factory.image((*size, self._channels(stage)))
        channels = self.space.node_channels(stage), self.space.node_channels(position.stage)
        through = identity(factory, x, *channels, stride)
        result = factory.edge(position, (source, source + 1), x, through, *channels, stride)
        return factory.needed(result), result

    def _channels(self, stage: int) -> int:
        return self.space.node_channels(stage).count(self.widths[stage])


def _key(what: str, layers: Layers, number: int) -> tuple | None:
    """The key of a layer's charge: None inside an edge, which has all its layers to itself."""
    path = None if layers[number].candidate else _path(layers, number)
    return None if path is None else (what, path)


def _path(layers: Mapping[int, Layer], number: int) -> tuple[Layer, ...] | None:
    """The layers from layer 0 to one, if all are without weights and read no other layer; else None."""
    layer = layers[number]
    if number == 0:
        return ()
    if layer.kind not in WEIGHTLESS or len(layer.inputs) > 1:
        return None
    before = _path(layers, layer.inputs[0])
    return None if before is None else (*before, layer._replace(inputs=(), candidate=None))
