"""Search spaces as plain data: which cells stand where, and what may be chosen in them.

A space has two levels (BARS, arXiv 2011.10804). *Micro*: the topology of a cell, one primitive on each edge.
*Macro*: a width and a depth for each stage. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bars_tf.channels import Channels
from bars_tf.primitives import PRIMITIVES, Primitive, own_primitives

# (kernel, stride) of each float convolution. The last one has `num_nodes` times the width of the first stage, those
# before it `stem_channels`. "cifar" is BARS's; which of the others the paper used is unknown.
STEMS = {
    "cifar": ((3, 1), (1, 1)),
    "cifar_2": ((3, 2), (1, 1)),
    "imagenet_4": ((3, 2), (3, 2)),
    "imagenet_8": ((3, 2), (3, 2), (3, 2)),
    "imagenet_7x7": ((7, 2), (3, 2)),
}
# How the choices of a space are drawn while it is searched (`relaxation`).
SAMPLING = ("softmax", "gumbel", "gumbel_hard")
SHARING = ("reduction", "none", "stage", "all")
INPUT_QUANTIZERS = ("ste_sign", "approx_sign")
# A kernel with a scale would have it computed over masked channels too.
KERNEL_QUANTIZERS = ("ste_sign",)


class CellPosition(NamedTuple):
    """Where a cell stands: `depth` is its place in the stage's chain, from 1; 0 for the reduction cell."""

    index: int
    stage: int
    source_stage: int
    depth: int
    group: str

    @property
    def name(self) -> str:
        return f"cell_{self.index}"

    @property
    def stride(self) -> int:
        return 1 if self.depth else 2


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """What a search may choose from.

    Attributes:
        stem: a name in `STEMS`.
        init_channels: channels of a node in the first stage at full width; each later stage doubles them.
        stem_channels: channels between the stem's convolutions; None: as `init_channels`.
        layout: N (normal cell) and R (reduction cell, stride 2, opens a stage) in order. Reduction cells always
            stay; the normal cells of a stage are its chain (our reading of BARS's "sink connect").
        num_nodes: intermediate nodes of a cell; the cell's output is their concatenation.
        primitives: names in `PRIMITIVES` or in `own_primitives`, the candidates of every edge.
        sharing: which cells share a topology. "reduction": the reduction cells share one, each normal cell has its
            own (BARS); "none": each cell its own; "stage": the normal cells of a stage share one, the reduction cells
            another; "all": one for normal, one for reduction cells.
        width_choices: fractions of the full width, one choice a stage, its reduction cell included.
        depth_choices: numbers of normal cells that a stage may keep; those above its chain do not apply to it; None:
            0 to the length of the chain.
        input_quantizer, kernel_quantizer: Larq quantizers of every binary convolution.
        own_primitives: further primitives by name, as the fields of `Primitive`.
    """

    name: str = "bars"
    stem: str = "cifar"
    init_channels: int = 16
    stem_channels: int | None = None
    layout: str = "NNRNNRNN"
    num_nodes: int = 4
    primitives: tuple[str, ...] = ("none", "skip", "bin_conv_3x3")
    sharing: str = "reduction"
    width_choices: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    depth_choices: tuple[int, ...] | None = None
    input_quantizer: str = "ste_sign"
    kernel_quantizer: str = "ste_sign"
    own_primitives: tuple[tuple[str, Primitive], ...] = ()

    def __post_init__(self):
        if not isinstance(self.own_primitives, tuple):
            object.__setattr__(self, "own_primitives", own_primitives(self.own_primitives))
        for field in ("primitives", "width_choices", "depth_choices"):
            value = getattr(self, field)
            if isinstance(value, list):
                object.__setattr__(self, field, tuple(value))
        _validate(self)

    def replace(self, **changes: Any) -> SearchSpace:
        """A copy with some fields changed."""
        unknown = sorted(set(changes) - {f.name for f in dataclasses.fields(self)})
        if unknown:
            raise ValueError(f"search space: unknown field {unknown[0]!r}")
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}
        return values | {"own_primitives": {name: p._asdict() for name, p in self.own_primitives}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SearchSpace:
        if not isinstance(values, Mapping):
            raise ValueError("search space: expected an object with its fields")
        return cls().replace(**values)

    @property
    def num_stages(self) -> int:
        return self.layout.count("R") + 1

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(source node, target node) of every edge of a cell; node 0 is the cell's (squeezed) input."""
        return tuple((i, j) for j in range(1, self.num_nodes + 1) for i in range(j))

    def cells(self) -> tuple[CellPosition, ...]:
        """All cells at full depth, in order."""
        positions, stage, depth, normals = [], 0, 0, 0
        for index, kind in enumerate(self.layout):
            if kind == "R":
                group = f"reduction_{stage}" if self.sharing == "none" else "reduction"
                positions.append(CellPosition(index, stage + 1, stage, 0, group))
                stage, depth = stage + 1, 0
            else:
                depth += 1
                group = {"stage": f"normal_stage_{stage}", "all": "normal"}.get(self.sharing, f"normal_{normals}")
                positions.append(CellPosition(index, stage, stage, depth, group))
                normals += 1
        return tuple(positions)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the topologies that are searched."""
        return tuple(dict.fromkeys(position.group for position in self.cells()))

    def chain(self, stage: int) -> tuple[CellPosition, ...]:
        """The normal cells of a stage."""
        return tuple(p for p in self.cells() if p.stage == stage and p.depth)

    def depths(self, stage: int) -> tuple[int, ...]:
        """The depth choices of a stage."""
        longest = len(self.chain(stage))
        if self.depth_choices is None:
            return tuple(range(longest + 1))
        return tuple(d for d in self.depth_choices if d <= longest)

    def convolutions(self) -> tuple[str, ...]:
        """The primitives with a convolution."""
        return tuple(name for name in self.primitives if self.primitive(name).branch == "bin_conv")

    def primitive(self, name: str) -> Primitive:
        """What a candidate of this space is."""
        return PRIMITIVES[name] if name in PRIMITIVES else dict(self.own_primitives)[name]

    def node_channels(self, stage: int) -> Channels:
        return Channels(self.init_channels * 2**stage, 1, stage)

    def path_channels(self, stage: int) -> Channels:
        """Channels of the main path: the concatenated nodes of a cell."""
        return Channels(self.init_channels * 2**stage, self.num_nodes, stage)

    def deployment_notes(self) -> list[str]:
        """What the channel numbers cost at deployment, where inputs are packed to 32 and outputs want 8."""
        full = [self.init_channels * 2**stage for stage in range(self.num_stages)]
        sizes = sorted({round(size * width) for size in full for width in self.width_choices})
        notes = []
        if unpacked := [c for c in sizes if c % 32]:
            notes.append(f"node widths {unpacked} are no multiple of 32: their kernels are padded to it on the device")
        if odd := [c for c in sizes if c % 8]:
            notes.append(f"node widths {odd} are no multiple of 8: slower on the device")
        return notes


MAX_CHANNELS, MAX_MACROS = 2**16, 10**6


def _validate(space: SearchSpace) -> None:
    def refuse(field: str, remedy: str):
        raise ValueError(f"search space: {field}={getattr(space, field)!r}: {remedy}")

    def integer(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    if not isinstance(space.name, str) or not space.name.isidentifier():
        refuse("name", "must be an identifier")
    for field, known in (("stem", STEMS), ("sharing", SHARING), ("input_quantizer", INPUT_QUANTIZERS),
                         ("kernel_quantizer", KERNEL_QUANTIZERS)):
        if getattr(space, field) not in tuple(known):
            refuse(field, f"must be one of {', '.join(known)}")
    for field in ("init_channels", "num_nodes"):
        if not integer(getattr(space, field)) or not 1 <= getattr(space, field) <= 4096:
            refuse(field, "must be an integer from 1 to 4096")
    if space.num_nodes > 8:
        refuse("num_nodes", "must be at most 8")
    if space.stem_channels is not None and (not integer(space.stem_channels) or not 1 <= space.stem_channels <= 4096):
        refuse("stem_channels", "must be an integer from 1 to 4096, or null")
    if not isinstance(space.layout, str) or not space.layout or set(space.layout) - set("NR") or len(space.layout) > 64:
        refuse("layout", "must be 1 to 64 letters N (normal cell) and R (reduction cell)")
    if not isinstance(space.primitives, tuple) or not space.primitives:
        refuse("primitives", "must name at least one primitive")
    for primitive in space.primitives:
        known = (*PRIMITIVES, *dict(space.own_primitives))
        if not isinstance(primitive, str) or primitive not in known:
            refuse("primitives", f"{primitive!r} is unknown; known are {', '.join(known)}")
    if len(set(space.primitives)) < len(space.primitives):
        refuse("primitives", "must not name one twice")
    _validate_increasing(space, "width_choices", refuse)
    for width in space.width_choices:
        if not 0 < width <= 1:
            refuse("width_choices", "must lie above 0 and at most 1")
        for stage in range(space.num_stages):
            size = space.init_channels * 2**stage
            if abs(size * width - round(size * width)) > 1e-6 or (stage and round(size * width) % 2):
                refuse("width_choices", f"{width} of {size} channels (stage {stage}) must be a whole, from the second "
                       "stage on even number; change init_channels")
    if space.depth_choices is not None:
        _validate_increasing(space, "depth_choices", refuse)
        if not all(integer(d) and d >= 0 for d in space.depth_choices):
            refuse("depth_choices", "must be integers of at least 0")
    for stage in range(space.num_stages):
        if not space.depths(stage):
            refuse("depth_choices", f"none is at most {len(space.chain(stage))}, the normal cells of stage {stage}")
    if space.init_channels * 2 ** (space.num_stages - 1) > MAX_CHANNELS:
        refuse("init_channels", f"must be lower, or the layout have fewer R: {MAX_CHANNELS} channels a node at most")
    # Derivation enumerates them.
    macros = math.prod(len(space.width_choices) * len(space.depths(stage)) for stage in range(space.num_stages))
    if macros > MAX_MACROS:
        refuse("layout", f"has {macros:.3g} combinations of widths and depths, above {MAX_MACROS}: fewer R, "
               "width_choices or depth_choices are needed")


def _validate_increasing(space: SearchSpace, field: str, refuse) -> None:
    values: Sequence = getattr(space, field)
    if not isinstance(values, tuple) or not values:
        refuse(field, "must have at least one choice")
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        refuse(field, "must be numbers")
    if any(b <= a for a, b in itertools.pairwise(values)):
        refuse(field, "must increase")


# The paper's candidates, layout and sizes for CIFAR-10, as far as the authors' published code tells them.
BARS = SearchSpace()
# For small grey images and minutes: a stem of stride 2, one reduction.
BARS_SMALL = SearchSpace(name="bars_small", stem="cifar_2", layout="NNRNN")
SPACES = {space.name: space for space in (BARS, BARS_SMALL)}
