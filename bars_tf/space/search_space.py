"""Search spaces as plain data: which cells stand where, and what may be chosen in them.

A space has two levels (BARS, arXiv 2011.10804). *Micro*: the topology of a cell, one primitive on each edge.
*Macro*: a width and a depth for each stage. A space with a backbone (NASB, arXiv 2008.03515) has the first level alone:
what is searched stands beside the convolutions of a given network. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bars_tf.errors import FieldError
from bars_tf.space.channels import Channels
from bars_tf.space.fields import MAX_POOL, STEMS, Group, groups, validate
from bars_tf.space.primitives import PRIMITIVES, Primitive, own_primitives


class CellPosition(NamedTuple):
    """Where a cell stands: `depth` is its place in the stage's chain, from 1; 0 for the cell that opens the stage."""

    index: int
    stage: int
    source_stage: int
    depth: int
    group: str
    stride: int

    @property
    def name(self) -> str:
        return f"cell_{self.index}"

    @property
    def opens_stage(self) -> bool:
        return not self.depth


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """What a search may choose from.

    Attributes:
        stem: a name in `STEMS`.
        init_channels: channels of a node in the first stage at full width; each later stage doubles them. With a
            backbone: channels behind the stem.
        stem_channels: channels between the stem's convolutions; None: as `init_channels`.
        layout: N (normal cell) and R (reduction cell, stride 2, opens a stage) in order. Reduction cells always
            stay; the normal cells of a stage are its chain (our reading of BARS's "sink connect").
        num_nodes: intermediate nodes of a cell; the cell's output is their concatenation, with a backbone or
            `full_width_nodes` their sum.
        full_width_nodes: whether a node is as wide as the main path, which is node 0; the sum of the nodes is added to
            it, and the package's convolutions on edges have no further shortcut. False: as in BARS.
        reduction_shortcut: what carries the main path past a reduction cell: "average", 2x2 averages whose
            channels are repeated (BARS); "transition", max pooling, a blur and a float 1x1 convolution (QuickNet).
        reduction_kernel: kernel of the binary convolution beside that (3 in BARS); 0: none.
        primitives: names in `PRIMITIVES` or in `own_primitives`, the candidates of every edge.
        sharing: which cells share a topology. "reduction": the reduction cells share one, each normal cell has its
            own (BARS); "none": each cell its own; "stage": the normal cells of a stage share one, the reduction cells
            another; "all": one for normal, one for reduction cells.
        width_choices: fractions of the full width, one choice a stage, its reduction cell included.
        depth_choices: numbers of normal cells that a stage may keep; those above its chain do not apply to it; None:
            0 to the length of the chain.
        input_quantizer, kernel_quantizer: Larq quantizers of every binary convolution.
        latent_clip: latent weights are clipped to this after each step.
        own_primitives: further primitives by name, as the fields of `Primitive`.
        backbone: the groups of the network whose binarization is searched, each of which becomes a cell (NASB): its
            convolutions always on, the searched edges beside them. A group that has a stride or other channels opens a
            stage. Empty: cells of BARS, as the layout says.
        plain_convolutions: whether the package's convolutions stand on edges without ReLU and shortcut of their own.
        max_inputs: inputs that derivation keeps at a node, at most; None: all.
        num_paths: every binary convolution stands so many times in parallel, each with weights, batch norm and a
            learnt shift before its sign of its own.
    """

    name: str = "bars"
    stem: str = "cifar"
    init_channels: int = 16
    stem_channels: int | None = None
    layout: str = "NNRNNRNN"
    num_nodes: int = 4
    full_width_nodes: bool = False
    reduction_shortcut: str = "average"
    reduction_kernel: int = 3
    primitives: tuple[str, ...] = ("none", "skip", "bin_conv_3x3")
    sharing: str = "reduction"
    width_choices: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    depth_choices: tuple[int, ...] | None = None
    input_quantizer: str = "ste_sign"
    kernel_quantizer: str = "ste_sign"
    latent_clip: float = 1.0
    own_primitives: tuple[tuple[str, Primitive], ...] = ()
    backbone: tuple[Group, ...] = ()
    plain_convolutions: bool = False
    max_inputs: int | None = None
    num_paths: int = 1

    def __post_init__(self):
        if not isinstance(self.own_primitives, tuple):
            object.__setattr__(self, "own_primitives", own_primitives(self.own_primitives))
        for field in ("primitives", "width_choices", "depth_choices"):
            value = getattr(self, field)
            if isinstance(value, list):
                object.__setattr__(self, field, tuple(value))
        object.__setattr__(self, "backbone", groups(self.backbone))
        validate(self)

    def replace(self, **changes: Any) -> SearchSpace:
        """A copy with some fields changed."""
        if "layout" in changes and (self.backbone or changes.get("backbone")) and changes["layout"] != self.layout:
            raise FieldError("layout", changes["layout"], "the backbone says which cells there are")
        unknown = sorted(set(changes) - {f.name for f in dataclasses.fields(self)})
        if unknown:
            raise ValueError(f"search space: unknown field {unknown[0]!r}")
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in given.items()}
        return values | {"own_primitives": {name: p._asdict() for name, p in self.own_primitives},
                         "backbone": [list(group) for group in self.backbone]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SearchSpace:
        if not isinstance(values, Mapping):
            raise ValueError("search space: expected an object with its fields")
        return cls().replace(**values)

    @property
    def num_stages(self) -> int:
        return self.cells()[-1].stage + 1

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(source node, target node) of every edge of a cell; node 0 is the cell's (squeezed) input."""
        return tuple((i, j) for j in range(1, self.num_nodes + 1) for i in range(j))

    @property
    def most_inputs(self) -> int:
        """Inputs that a node keeps, at most."""
        return min(self.max_inputs or self.num_nodes, self.num_nodes)

    def cells(self) -> tuple[CellPosition, ...]:
        """All cells at full depth, in order."""
        return self._cells

    @functools.cached_property
    def _cells(self) -> tuple[CellPosition, ...]:
        # Once: making and costing a genotype asks for them again and again.
        positions, stage, depth, normals = [], 0, 0, 0
        for index, (opens_stage, stride) in enumerate(self._plan()):
            if opens_stage:
                group = f"reduction_{stage}" if self.sharing == "none" else "reduction"
                positions.append(CellPosition(index, stage + 1, stage, 0, group, stride))
                stage, depth = stage + 1, 0
            else:
                depth += 1
                group = {"stage": f"normal_stage_{stage}", "all": "normal"}.get(self.sharing, f"normal_{normals}")
                positions.append(CellPosition(index, stage, stage, depth, group, stride))
                normals += 1
        return tuple(positions)

    def _plan(self) -> list[tuple[bool, int]]:
        """For each cell whether it opens a stage, and its stride."""
        if not self.backbone:
            return [(kind == "R", 2 if kind == "R" else 1) for kind in self.layout]
        before = [self.init_channels, *(group.channels for group in self.backbone)]
        return [(group.stride > 1 or group.channels != c, group.stride) for group, c in zip(self.backbone, before)]

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
        if self.backbone:
            return (longest,)
        if self.depth_choices is None:
            return tuple(range(longest + 1))
        return tuple(d for d in self.depth_choices if d <= longest)

    def convolutions(self) -> tuple[str, ...]:
        """The primitives with a convolution."""
        return tuple(name for name in self.primitives if self.primitive(name).branch == "bin_conv")

    def primitive(self, name: str) -> Primitive:
        """What a candidate of this space is."""
        if name not in PRIMITIVES:
            return dict(self.own_primitives)[name]
        found = PRIMITIVES[name]
        if found.branch != "bin_conv":
            return found
        if self.plain_convolutions:
            return found._replace(shortcut=False, activation="none")
        return found._replace(shortcut=False) if self.full_width_nodes else found

    def node_channels(self, stage: int) -> Channels:
        """Channels of a node at full width."""
        if not self.backbone:
            return Channels(self.init_channels * 2**stage, 1, stage)
        opening = [c.index for c in self.cells() if c.opens_stage]
        return Channels(self.backbone[opening[stage - 1]].channels if stage else self.init_channels, 1, stage)

    def path_channels(self, stage: int) -> Channels:
        """Channels of the main path: the concatenated nodes of a cell; with a backbone or `full_width_nodes` those of
        a node."""
        blocks = 1 if self.backbone or self.full_width_nodes else self.num_nodes
        return self.node_channels(stage)._replace(blocks=blocks)

    def check_image(self, image_shape: Sequence[int]) -> None:
        """Raises: ValueError if images (height, width, channels) have fewer pixels a side than the strides join, or,
        without a backbone, leave the last cell of stride 2 a single one, as its shifted convolution takes two."""
        stem = math.prod(2 if layer == MAX_POOL else layer[1] for layer in STEMS[self.stem])
        cells = math.prod(position.stride for position in self.cells())
        factor, least = stem * cells, stem * cells
        if not self.backbone:
            least = factor // 2 + 1 if cells > 1 else 1
        if min(image_shape[:2]) < least:
            kind = "backbone" if self.backbone else "space"
            raise ValueError(f"its strides make one pixel of {factor}x{factor}, the images have {image_shape[0]}x"
                             f"{image_shape[1]}; take larger ones, or a {kind} with fewer strides")

    def deployment_notes(self) -> list[str]:
        """What the channel numbers cost at deployment, where inputs are packed to 32 and outputs want 8."""
        full = [self.node_channels(stage).size for stage in range(self.num_stages)]
        sizes = sorted({round(size * width) for size in full for width in self.width_choices})
        notes = []
        if unpacked := [c for c in sizes if c % 32]:
            notes.append(f"node widths {unpacked} are no multiple of 32: their kernels are padded to it on the device")
        if odd := [c for c in sizes if c % 8]:
            notes.append(f"node widths {odd} are no multiple of 8: slower on the device")
        activations = {self.primitive(p).activation for p in self.convolutions()}
        if self.kernel_quantizer != "ste_sign" and "relu" in activations:
            notes.append(f"behind a convolution with {self.kernel_quantizer} the converter leaves ReLU and batch norm "
                         "apart: ste_sign, or primitives without activation, run faster on the device")
        return notes


# The paper's candidates, layout and sizes for CIFAR-10, as far as the authors' published code tells them.
BARS_PAPER = SearchSpace(name="bars_paper")
# The space whose networks came out best here at equal cost (README, "Comparing"): our choice.
BARS = SearchSpace(
    name="bars", layout="NNNNRNNNNRNNNN", init_channels=32, num_nodes=1, full_width_nodes=True,
    reduction_shortcut="transition", reduction_kernel=0,
    primitives=("none", "bin_conv_1x1", "bin_conv_3x3", "bin_conv_5x5"),
    width_choices=(0.25, 0.375, 0.5, 0.625, 0.75, 1.0))
# For small grey images and minutes: a stem of stride 2, one reduction.
BARS_SMALL = SearchSpace(name="bars_small", stem="cifar_2", layout="NNRNN")
SPACES = {space.name: space for space in (BARS, BARS_PAPER, BARS_SMALL)}
# NASB's candidates and cell as we read it: the abstract does not give them. `backbones.nasb` gives it a real backbone.
NASB = SearchSpace(
    name="nasb", num_nodes=3, max_inputs=2, primitives=tuple(PRIMITIVES), sharing="none", width_choices=(1.0,),
    plain_convolutions=True, input_quantizer="approx_sign", stem="conv_3x3", backbone=(Group(16, 1, 2),))
