"""A genotype: one architecture of a search space, as plain validated data, without TensorFlow."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from bars_tf.files import read_json, write_json
from bars_tf.space.positions import CellPosition
from bars_tf.space.search_space import SearchSpace

FORMAT = "bars_tf.genotype/1"

# The inputs of each node of a cell: (source node, primitive), without "none".
Topology = tuple[tuple[tuple[int, str], ...], ...]


@dataclasses.dataclass(frozen=True)
class Genotype:
    """Widths and depths of the stages, topologies of the groups of cells.

    Equal networks are equal genotypes, but for kept cells without edges (see `canonical`): what has no effect is left
    out. An operation on a node without inputs does nothing, so edges from such nodes are dropped; so is the topology
    of a group none of whose cells is kept.

    There is a width and a depth choice for each stage, and a topology for each of `space.groups`.
    """

    space: SearchSpace
    widths: tuple[float, ...]
    depths: tuple[int, ...]
    topologies: tuple[Topology, ...]

    def __post_init__(self):
        space = self.space
        _require_choices("widths", self.widths, [space.width_choices] * space.num_stages)
        _require_choices("depths", self.depths, [space.depths(s) for s in range(space.num_stages)])
        if len(self.topologies) != len(space.groups):
            raise ValueError(f"genotype: {len(self.topologies)} topologies, the space has {len(space.groups)} groups")
        used = {position.group for position in self.active_cells()}
        topologies = []
        for group, topology in zip(space.groups, self.topologies):
            checked = _checked(space, group, topology)
            topologies.append(checked if group in used else ((),) * space.num_nodes)
        object.__setattr__(self, "widths", tuple(float(w) for w in self.widths))
        object.__setattr__(self, "depths", tuple(int(d) for d in self.depths))
        object.__setattr__(self, "topologies", tuple(topologies))

    def active_cells(self) -> tuple[CellPosition, ...]:
        """The cells that the depths keep."""
        return tuple(p for p in self.space.cells() if p.depth <= self.depths[p.stage])

    def topology(self, group: str) -> Topology:
        """The topology of a group of cells."""
        return self.topologies[self.space.groups.index(group)]

    def primitive(self, group: str, edge: tuple[int, int]) -> str:
        """The primitive on an edge (source node, target node) of a group; "none" where there is none."""
        source, target = edge
        return dict(self.topology(group)[target - 1]).get(source, "none")

    def canonical(self) -> tuple:
        """A key that is equal for genotypes of one network: a kept cell without edges is like one not kept."""
        def place(position):  # normal cells of a stage are alike, but for those of a backbone
            return position.index if self.space.backbone else (position.stage, position.opens_stage)

        cells = [(place(p), self.topology(p.group)) for p in self.active_cells()]
        return self.widths, tuple((where, topology) for where, topology in cells if any(topology))

    def primitive_fractions(self) -> dict[str, float]:
        """The fraction of each primitive among the edges of the active cells."""
        edges = [self.primitive(p.group, e) for p in self.active_cells() for e in self.space.edges]
        names = dict.fromkeys(("none", *self.space.primitives))
        return {name: edges.count(name) / max(1, len(edges)) for name in names}

    def describe(self) -> list[str]:
        """The genotype in words: a line for each stage, then one for each topology."""
        space, lines = self.space, []
        for stage, (width, depth) in enumerate(zip(self.widths, self.depths)):
            channels = space.path_channels(stage).count(width)
            lines.append(f"stage {stage}: width {width:g} ({channels} channels), {depth} of {len(space.chain(stage))} "
                         "normal cells")
        used = {p.group for p in self.active_cells()}
        for group, topology in zip(space.groups, self.topologies):
            if group in used:
                nodes = ["+".join(f"{primitive}({source})" for source, primitive in node) or "-" for node in topology]
                lines.append(f"{group}: " + "  ".join(f"{i + 1}={node}" for i, node in enumerate(nodes)))
        return lines

    def plot(self) -> Any:
        """The cells as a Matplotlib figure."""
        from bars_tf.report import drawing  # here, because no other use of a genotype needs Matplotlib

        return drawing.draw(self)

    def _repr_html_(self) -> str:
        """The drawing and the words, for Jupyter."""
        from bars_tf.report import drawing

        return drawing.as_html(self)

    def to_dict(self) -> dict[str, Any]:
        """The genotype as the content of a file."""
        topologies = {group: [[list(pair) for pair in node] for node in topology]
                      for group, topology in zip(self.space.groups, self.topologies)}
        return {"format": FORMAT, "space": self.space.to_dict(), "widths": list(self.widths),
                "depths": list(self.depths), "topologies": topologies}

    @classmethod
    def from_dict(cls, values: Any) -> Genotype:
        """The genotype of the content of a file; raises ValueError that names a wrong key or value."""
        if not isinstance(values, Mapping) or values.get("format") != FORMAT:
            raise ValueError(f"genotype: not a {FORMAT} object")
        expected = {"format", "space", "widths", "depths", "topologies"}
        if difference := sorted(expected.symmetric_difference(set(values) - {"made_for"})):
            problem = "unknown" if difference[0] in values else "missing"
            raise ValueError(f"genotype: {problem} key {difference[0]!r}")
        space = SearchSpace.from_dict(values["space"])
        if not isinstance(values["topologies"], Mapping) or set(values["topologies"]) != set(space.groups):
            raise ValueError(f"genotype: topologies must have the keys {', '.join(space.groups)}")
        for name in ("widths", "depths"):
            if not isinstance(values[name], Sequence) or isinstance(values[name], str):
                raise ValueError(f"genotype: {name} must be a list")
        return cls(space, tuple(values["widths"]), tuple(values["depths"]),
                   tuple(_as_topology(group, values["topologies"][group]) for group in space.groups))

    def save(self, path: str | os.PathLike, input_shape: Sequence[int] | None = None,
             num_classes: int | None = None) -> None:
        """Writes a file, with the shape (height, width, channels) and number of classes that the genotype is for."""
        made_for = {} if input_shape is None else {
            "made_for": {"input_shape": list(input_shape), "num_classes": num_classes}}
        write_json(path, {**self.to_dict(), **made_for})

    @classmethod
    def load(cls, path: str | os.PathLike) -> Genotype:
        """Reads a file; raises ValueError that names the file and its fault, or OSError if it cannot be read."""
        return cls.from_dict_of(path, read_json(path))

    @classmethod
    def from_dict_of(cls, path: str | os.PathLike, values: Any) -> Genotype:
        """The same for content that was read already; errors name the path."""
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def made_for(values: Mapping[str, Any]) -> tuple[tuple[int, int, int], int] | None:
    """Shape of an image and number of classes that a genotype file is for, or None; raises ValueError for others."""
    if not values.get("made_for"):
        return None
    try:
        shape, classes = tuple(values["made_for"]["input_shape"]), values["made_for"]["num_classes"]
    except (KeyError, TypeError):
        shape, classes = (), 0
    if not (len(shape) == 3 and all(isinstance(n, int) and 0 < n <= 4096 for n in (*shape, classes))):
        raise ValueError("made_for: needs an input_shape of three positive numbers and num_classes")
    return shape, classes


def uniform(space: SearchSpace, primitive: str | None = None, widths: Sequence[float] | None = None) -> Genotype:
    """The network of full depth and of given width choices of the stages (None: the largest), with one primitive of
    the space on every edge (None: without edges)."""
    stages = range(space.num_stages)
    topology = tuple(tuple((source, primitive) for source in range(target)) if primitive else ()
                     for target in range(1, space.num_nodes + 1))
    return Genotype(space, tuple(widths or (space.width_choices[-1] for _ in stages)),
                    tuple(space.depths(stage)[-1] for stage in stages), (topology,) * len(space.groups))


def _require_choices(field: str, values: Sequence, choices: Sequence[Sequence]) -> None:
    if len(values) != len(choices):
        raise ValueError(f"genotype: {field} must have {len(choices)} values, one a stage")
    for stage, (value, known) in enumerate(zip(values, choices)):
        if isinstance(value, bool) or value not in known:
            raise ValueError(f"genotype: {field}[{stage}]={value!r}: must be one of {', '.join(map(str, known))}")


def _as_topology(group: str, nodes: Any) -> Topology:
    try:
        return tuple(tuple((source, primitive) for source, primitive in node) for node in nodes)
    except (TypeError, ValueError):
        raise ValueError(f"genotype: topology {group!r}: each node must be a list of [source, primitive]") from None


def _checked(space: SearchSpace, group: str, topology: Topology) -> Topology:
    """The topology without the edges from nodes that have no input."""
    if len(topology) != space.num_nodes:
        raise ValueError(f"genotype: topology {group!r} has {len(topology)} nodes, the space has {space.num_nodes}")
    alive, kept = {0}, []
    for target, node in enumerate(topology, start=1):
        where, sources = f"genotype: topology {group!r}, node {target}", [source for source, _ in node]
        for source, primitive in node:
            if not isinstance(source, int) or isinstance(source, bool) or not 0 <= source < target:
                raise ValueError(f"{where}: source {source!r} is no earlier node")
            if primitive not in space.primitives:
                raise ValueError(f"{where}: primitive {primitive!r} is not in the space "
                                 f"({', '.join(space.primitives)})")
            if sources.count(source) > 1:
                raise ValueError(f"{where}: source {source} is given twice")
        kept.append(tuple(sorted((s, p) for s, p in node if p != "none" and s in alive)))
        if kept[-1]:
            alive.add(target)
    return tuple(kept)
