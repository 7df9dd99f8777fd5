"""Search spaces as plain data: the positions of the cells, and the choices that there are in them.

A space has two levels (BARS, arXiv 2011.10804). *Micro*: the topology of a cell, one primitive on each edge.
*Macro*: a width and a depth for each stage. A space with a backbone (NASB, arXiv 2008.03515) has the first level alone:
the searched edges are beside the convolutions of a given network.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from bars_tf.errors import FieldError
from bars_tf.space.channels import Channels
from bars_tf.space.fields import STEMS, Group, check_fields, groups
from bars_tf.space.positions import CellPosition, cell_positions
from bars_tf.space.primitives import CONVOLUTIONS, PRIMITIVES, Primitive, own_primitives

MAX_NODE_CHANNELS = 2**16  # of the last stage
MAX_MACROS = 10**6  # combinations of widths and depths: derivation enumerates them


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """A search space.

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
        reduction_shortcut: the way of the main path past a reduction cell: "average", 2x2 averages whose channels are
            repeated (BARS); "transition", max pooling, a blur and a float 1x1 convolution (QuickNet).
        reduction_kernel: kernel of the binary convolution beside that (3 in BARS); 0: none.
        primitives: names in `PRIMITIVES` or in `own_primitives`, the candidates of every edge.
        sharing: which cells share a topology. "reduction": the reduction cells share one, each normal cell has its
            own (BARS); "none": each cell its own; "stage": the normal cells of a stage share one, the reduction cells
            another; "all": one for normal, one for reduction cells.
        width_choices: fractions of the full width, one choice a stage, its reduction cell included.
        depth_choices: numbers of normal cells that a stage may keep; those above its chain do not apply to it; None:
            0 to the length of the chain.
        input_quantizer, kernel_quantizer: Larq quantizers of every binary convolution.
        latent_clip: latent weights are clipped to [-latent_clip, latent_clip] after each step.
        own_primitives: further primitives by name, as the fields of `Primitive`.
        backbone: the groups of the network whose binarization is searched, each of which becomes a cell (NASB): its
            convolutions always on, the searched edges beside them. A group that has a stride or other channels opens a
            stage. Empty: cells of BARS, by the layout.
        backbone_activation: behind each convolution of the backbone, "none" (as in Bi-Real Net) or "relu".
        plain_convolutions: whether the package's convolutions have neither ReLU nor shortcut of their own on edges.
        max_inputs: inputs that derivation keeps at a node, at most; None: all.
        num_paths: number of parallel copies of every binary convolution, each with weights, batch norm and a learned
            shift before its sign of its own.
        head_activation: between the last cell and the classifier, "none" or "relu".

    Raises: FieldError if a field has a value that it cannot have, or that does not go with the other fields.
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
    backbone_activation: str = "none"
    plain_convolutions: bool = False
    max_inputs: int | None = None
    num_paths: int = 1
    head_activation: str = "none"

    def __post_init__(self):
        if not isinstance(self.own_primitives, tuple):
            object.__setattr__(self, "own_primitives", own_primitives(self.own_primitives))
        for field in ("primitives", "width_choices", "depth_choices"):
            value = getattr(self, field)
            if isinstance(value, list):
                object.__setattr__(self, field, tuple(value))
        object.__setattr__(self, "backbone", groups(self.backbone))
        check_fields(vars(self), (*PRIMITIVES, *dict(self.own_primitives)))
        self._check_numbers()

    def _check_numbers(self) -> None:
        for stage in range(self.num_stages):
            if not self.depths(stage):
                self._refuse("depth_choices", f"none is at most {len(self.chain(stage))}, the normal cells of stage "
                             f"{stage}")
        macros = math.prod(len(self.width_choices) * len(self.depths(stage)) for stage in range(self.num_stages))
        if macros > MAX_MACROS:
            self._refuse("layout", f"has {macros:.3g} combinations of widths and depths, above {MAX_MACROS}: fewer R, "
                         "width_choices or depth_choices are needed")
        # Even, because two halves make the convolutions of stride 2.
        for width, stage in itertools.product(self.width_choices, range(self.num_stages)):
            size = self.node_channels(stage).size
            channels = round(size * width)
            if abs(size * width - channels) > 1e-6 or (stage and channels % 2 and not self.backbone):
                self._refuse("width_choices", f"{width} of {size} channels (stage {stage}) must be a whole, from the "
                             "second stage on even number; change init_channels")
        if self.node_channels(self.num_stages - 1).size > MAX_NODE_CHANNELS:
            self._refuse("init_channels", f"must be lower, or the layout have fewer R: {MAX_NODE_CHANNELS} channels a "
                         "node at most")

    def _refuse(self, field: str, remedy: str) -> NoReturn:
        raise FieldError(field, getattr(self, field), remedy)

    def replace(self, **changes: Any) -> SearchSpace:
        """A copy with some fields changed."""
        if "layout" in changes and (self.backbone or changes.get("backbone")) and changes["layout"] != self.layout:
            raise FieldError("layout", changes["layout"], "a backbone fixes the cells")
        unknown = sorted(set(changes) - {f.name for f in dataclasses.fields(self)})
        if unknown:
            raise ValueError(f"search space: unknown field {unknown[0]!r}")
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """All fields as the content of a file."""
        given = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in given}
        return values | {"own_primitives": {name: p._asdict() for name, p in self.own_primitives},
                         "backbone": [list(group) for group in self.backbone]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SearchSpace:
        """The space of the content of a file; missing fields have their defaults. Raises ValueError for no space."""
        if not isinstance(values, Mapping):
            raise ValueError("search space: expected an object with its fields")
        return cls().replace(**values)

    @property
    def num_stages(self) -> int:
        """Number of stages: one more than cells that open one."""
        return self.cells()[-1].stage + 1

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(source node, target node) of every edge of a cell; node 0 is the cell's (squeezed) input."""
        return tuple((i, j) for j in range(1, self.num_nodes + 1) for i in range(j))

    @property
    def most_inputs(self) -> int:
        """The largest number of inputs that a node keeps."""
        return min(self.max_inputs or self.num_nodes, self.num_nodes)

    def cells(self) -> tuple[CellPosition, ...]:
        """All cells at full depth, in order."""
        return self._cells

    @functools.cached_property
    def _cells(self) -> tuple[CellPosition, ...]:  # once: making and costing a genotype asks for them again and again
        if not self.backbone:
            return cell_positions(((kind == "R", 2 if kind == "R" else 1) for kind in self.layout), self.sharing)
        before = [self.init_channels, *(group.channels for group in self.backbone)]
        return cell_positions(((group.stride > 1 or group.channels != channels, group.stride)
                               for group, channels in zip(self.backbone, before)), self.sharing)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the topologies that are searched."""
        return tuple(dict.fromkeys(position.group for position in self.cells()))

    def chain(self, stage: int) -> tuple[CellPosition, ...]:
        """The normal cells of a stage."""
        return tuple(p for p in self.cells() if p.stage == stage and p.depth)

    def depths(self, stage: int) -> tuple[int, ...]:
        """The depth choices of a stage, increasing."""
        longest = len(self.chain(stage))
        if self.backbone:
            return (longest,)
        if self.depth_choices is None:
            return tuple(range(longest + 1))
        return tuple(d for d in self.depth_choices if d <= longest)

    def convolutions(self) -> tuple[str, ...]:
        """The primitives with a convolution."""
        return tuple(name for name in self.primitives if self.primitive(name).branch in CONVOLUTIONS)

    def primitive(self, name: str) -> Primitive:
        """The primitive of a name, as it stands in this space."""
        if name not in PRIMITIVES:
            return dict(self.own_primitives)[name]
        found = PRIMITIVES[name]
        if found.branch not in CONVOLUTIONS:
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
        """Checks that images (height, width, channels) have as many pixels a side as the strides join into one, and,
        without a backbone, leave two to the last cell of stride 2, for its shifted convolution; raises ValueError."""
        stem = math.prod(2 if isinstance(layer, str) else layer[1] for layer in STEMS[self.stem])
        cells = math.prod(position.stride for position in self.cells())
        factor = stem * cells
        least = factor if self.backbone else factor // 2 + 1 if cells > 1 else 1
        if min(image_shape[:2]) < least:
            kind = "backbone" if self.backbone else "space"
            raise ValueError(f"its strides make one pixel of {factor}x{factor}, the images have {image_shape[0]}x"
                             f"{image_shape[1]}; take larger ones, or a {kind} with fewer strides")
