"""What the fields of a search space may be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bars_tf.errors import FieldError
from bars_tf.space.primitives import PRIMITIVES

if TYPE_CHECKING:
    from bars_tf.space.search_space import SearchSpace

# (kernel, stride) of each float convolution; MAX_POOL is a max pooling of 3x3, stride 2. The last convolution has the
# channels of the first stage's main path, those before it `stem_channels`. "cifar" is BARS's; which of the others the
# paper used is unknown. "conv_3x3" and "resnet" are those of residual networks for small and for large images.
MAX_POOL = "max_pool"
STEMS = {
    "cifar": ((3, 1), (1, 1)),
    "cifar_2": ((3, 2), (1, 1)),
    "imagenet_4": ((3, 2), (3, 2)),
    "imagenet_8": ((3, 2), (3, 2), (3, 2)),
    "imagenet_7x7": ((7, 2), (3, 2)),
    "conv_3x3": ((3, 1),),
    "conv_3x3_2": ((3, 2),),
    "resnet": ((7, 2), MAX_POOL),
}
# How the choices of a space are drawn while it is searched (`relaxation`).
SAMPLING = ("softmax", "gumbel", "gumbel_hard")
REDUCTION_SHORTCUTS = ("average", "transition")
SHARING = ("reduction", "none", "stage", "all")
INPUT_QUANTIZERS = ("ste_sign", "approx_sign")
KERNEL_QUANTIZERS = ("ste_sign", "magnitude_aware_sign")


class Group(NamedTuple):
    """A group of a backbone: `repeats` binary 3x3 convolutions in a row, the first of them with the stride."""

    channels: int
    stride: int
    repeats: int

MAX_CHANNELS, MAX_MACROS = 2**16, 10**6


def groups(values: Any) -> tuple[Group, ...]:
    """Raises: ValueError if the values are no groups (channels, stride, repeats)."""
    def is_group(value):
        return (isinstance(value, (list, tuple)) and len(value) == 3 and all(type(n) is int for n in value)
                and 1 <= value[0] <= 4096 and value[1] in (1, 2) and 1 <= value[2] <= 64)

    if not isinstance(values, (list, tuple)) or len(values) > 64 or not all(map(is_group, values)):
        raise FieldError("backbone", values, "must be up to 64 groups [channels, stride, repeats], stride 1 or 2, "
                         "such as [[16, 1, 2], [32, 2, 2]]")
    return tuple(Group(*value) for value in values)


def validate(space: SearchSpace) -> None:
    def refuse(field: str, remedy: str):
        raise FieldError(field, getattr(space, field), remedy)

    def integer(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    if not isinstance(space.name, str) or not space.name.isidentifier():
        refuse("name", "must be an identifier")
    for field, known in (("stem", STEMS), ("reduction_shortcut", REDUCTION_SHORTCUTS), ("sharing", SHARING),
                         ("input_quantizer", INPUT_QUANTIZERS), ("kernel_quantizer", KERNEL_QUANTIZERS)):
        if getattr(space, field) not in tuple(known):
            refuse(field, f"must be one of {', '.join(known)}")
    for field in ("init_channels", "num_nodes", "num_paths"):
        if not integer(getattr(space, field)) or not 1 <= getattr(space, field) <= 4096:
            refuse(field, "must be an integer from 1 to 4096")
    if space.num_nodes > 8:
        refuse("num_nodes", "must be at most 8")
    if space.num_paths > 8:
        refuse("num_paths", "must be at most 8")
    for field in ("plain_convolutions", "full_width_nodes"):
        if not isinstance(getattr(space, field), bool):
            refuse(field, "must be true or false")
    if not integer(space.reduction_kernel) or space.reduction_kernel not in (0, 1, 3, 5):
        refuse("reduction_kernel", "must be 0, 1, 3 or 5")
    if space.max_inputs is not None and (not integer(space.max_inputs) or space.max_inputs < 1):
        refuse("max_inputs", "must be an integer of at least 1, or null")
    if type(space.latent_clip) not in (int, float) or not 0 < space.latent_clip < math.inf:
        refuse("latent_clip", "must be a number above 0")
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
    if space.backbone and "none" not in space.primitives:
        refuse("primitives", "needs none with a backbone, which may be left as it is")
    if space.most_inputs < space.num_nodes and "none" not in space.primitives:
        refuse("max_inputs", "needs none among the primitives")
    _validate_increasing(space, "width_choices", refuse)
    if space.backbone and space.width_choices != (1.0,):
        refuse("width_choices", "must be 1 with a backbone, which says the widths")
    if space.backbone and space.depth_choices is not None:
        refuse("depth_choices", "a backbone says the depths")
    if space.kernel_quantizer == "magnitude_aware_sign" and space.width_choices != (1.0,):
        refuse("kernel_quantizer", "its scale would be computed over channels that a width leaves out; needs "
               "width_choices 1")
    for width in space.width_choices:
        if not 0 < width <= 1:
            refuse("width_choices", "must lie above 0 and at most 1")
        for stage in range(space.num_stages):
            size = space.node_channels(stage).size
            if abs(size * width - round(size * width)) > 1e-6 or (
                    stage and round(size * width) % 2 and not space.backbone):
                refuse("width_choices", f"{width} of {size} channels (stage {stage}) must be a whole, from the second "
                       "stage on even number; change init_channels")
    if space.depth_choices is not None:
        _validate_increasing(space, "depth_choices", refuse)
        if not all(integer(d) and d >= 0 for d in space.depth_choices):
            refuse("depth_choices", "must be integers of at least 0")
    for stage in range(space.num_stages):
        if not space.depths(stage):
            refuse("depth_choices", f"none is at most {len(space.chain(stage))}, the normal cells of stage {stage}")
    if space.node_channels(space.num_stages - 1).size > MAX_CHANNELS:
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
