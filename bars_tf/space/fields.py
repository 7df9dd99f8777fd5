"""The values that the fields of a search space may have."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bars_tf.errors import FieldError

# (kernel, stride) of each float convolution; MAX_POOL is a max pooling of 3x3, stride 2. The last convolution has the
# channels of the first stage's main path, those before it `stem_channels`. "cifar" is BARS's; which of the others the
# paper used is unknown. "conv_3x3" and "resnet" are those of residual networks for small and for large images.
MAX_POOL = "max_pool"
STEMS: dict[str, tuple[tuple[int, int] | str, ...]] = {
    "cifar": ((3, 1), (1, 1)),
    "cifar_2": ((3, 2), (1, 1)),
    "imagenet_4": ((3, 2), (3, 2)),
    "imagenet_8": ((3, 2), (3, 2), (3, 2)),
    "imagenet_7x7": ((7, 2), (3, 2)),
    "conv_3x3": ((3, 1),),
    "conv_3x3_2": ((3, 2),),
    "resnet": ((7, 2), MAX_POOL),
}
# How the choices of a space are sampled during the search (`relaxation`).
SAMPLING = ("softmax", "gumbel", "gumbel_hard")
ACTIVATIONS = ("none", "relu")
REDUCTION_SHORTCUTS = ("average", "transition")
SHARING = ("reduction", "none", "stage", "all")
INPUT_QUANTIZERS = ("ste_sign", "approx_sign")
KERNEL_QUANTIZERS = ("ste_sign", "magnitude_aware_sign")
MAX_CHANNELS = 4096  # that a field may ask for


class Group(NamedTuple):
    """A group of a backbone: `repeats` binary 3x3 convolutions in a row, the first of them with the stride."""

    channels: int
    stride: int
    repeats: int


def check_fields(values: Mapping[str, Any], known_primitives: Sequence[str]) -> None:
    """Checks all fields of a search space by name, each alone and those that depend on each other; lists are tuples
    already.

    Raises: FieldError if a field may not have its value.
    """
    def require(holds: bool, field: str, remedy: str) -> None:
        if not holds:
            raise FieldError(field, values[field], remedy)

    for name, rules in _RULES.items():
        for accepts, remedy in rules:
            require(values[name] is None and name in NULLABLE or accepts(values[name]), name, remedy)
    names, has_none = values["primitives"], "none" in values["primitives"]
    for name in names:
        require(isinstance(name, str) and name in known_primitives, "primitives",
                f"{name!r} is unknown; known are {', '.join(known_primitives)}")
    require(len(set(names)) == len(names), "primitives", "must not name one twice")
    keeps_all_inputs = (values["max_inputs"] or values["num_nodes"]) >= values["num_nodes"]
    require(keeps_all_inputs or has_none or bool(values["backbone"]), "max_inputs", "needs none among the primitives")
    fixed_width = values["width_choices"] == (1.0,)
    if values["backbone"]:
        require(has_none, "primitives", "needs none with a backbone, which may be left as it is")
        require(fixed_width, "width_choices", "must be 1 with a backbone, which fixes the widths")
        require(values["depth_choices"] is None, "depth_choices", "a backbone fixes the depths")
    require(fixed_width or values["kernel_quantizer"] != "magnitude_aware_sign", "kernel_quantizer",
            "its scale would be computed over channels that a width leaves out; needs width_choices 1")


def groups(values: Any) -> tuple[Group, ...]:
    """The groups of a backbone, from lists [channels, stride, repeats]; raises FieldError for anything else."""
    if not isinstance(values, (list, tuple)) or len(values) > 64 or not all(
            isinstance(value, (list, tuple)) and len(value) == 3 and _is_int(value[0], 1) and _is_int(value[1], 1, 2)
            and _is_int(value[2], 1, 64) for value in values):
        raise FieldError("backbone", values, "must be up to 64 groups [channels, stride, repeats], stride 1 or 2, "
                         "such as [[16, 1, 2], [32, 2, 2]]")
    return tuple(Group(*value) for value in values)


Rule = tuple[Callable[[Any], bool], str]  # a test of a value, and the remedy where it fails


def _is_int(value: Any, low: int, high: int = MAX_CHANNELS) -> bool:
    return type(value) is int and low <= value <= high


def _integer(low: int, high: int = MAX_CHANNELS, suffix: str = "") -> tuple[Rule]:
    return (lambda value: _is_int(value, low, high), f"must be an integer from {low} to {high}{suffix}"),


def _one_of(known: Iterable[str]) -> tuple[Rule]:
    names = tuple(known)
    return (lambda value: value in names, f"must be one of {', '.join(names)}"),


_BOOLEAN: tuple[Rule] = (lambda value: isinstance(value, bool), "must be true or false"),
_INCREASING: tuple[Rule, ...] = (
    (lambda value: isinstance(value, tuple) and bool(value), "must have at least one choice"),
    (lambda value: all(type(choice) in (int, float) for choice in value), "must be numbers"),
    (lambda value: all(a < b for a, b in itertools.pairwise(value)), "must increase"),
)
NULLABLE = ("stem_channels", "depth_choices", "max_inputs")
_RULES: Mapping[str, tuple[Rule, ...]] = {
    "name": ((lambda value: isinstance(value, str) and value.isidentifier(), "must be an identifier"),),
    "stem": _one_of(STEMS),
    "init_channels": _integer(1),
    "stem_channels": _integer(1, suffix=", or null"),
    "layout": ((lambda value: isinstance(value, str) and 1 <= len(value) <= 64 and not set(value) - set("NR"),
                "must be 1 to 64 letters N (normal cell) and R (reduction cell)"),),
    "num_nodes": _integer(1, 8),
    "full_width_nodes": _BOOLEAN,
    "reduction_shortcut": _one_of(REDUCTION_SHORTCUTS),
    "reduction_kernel": ((lambda value: type(value) is int and value in (0, 1, 3, 5), "must be 0, 1, 3 or 5"),),
    "head_activation": _one_of(ACTIVATIONS),
    "backbone_activation": _one_of(ACTIVATIONS),
    "primitives": ((lambda value: isinstance(value, tuple) and bool(value), "must name at least one primitive"),),
    "sharing": _one_of(SHARING),
    "width_choices": (*_INCREASING, (lambda value: value[0] > 0 and value[-1] <= 1,
                                     "must lie above 0 and at most 1")),
    "depth_choices": (*_INCREASING, (lambda value: all(_is_int(depth, 0) for depth in value),
                                     "must be integers of at least 0")),
    "input_quantizer": _one_of(INPUT_QUANTIZERS),
    "kernel_quantizer": _one_of(KERNEL_QUANTIZERS),
    "latent_clip": ((lambda value: type(value) in (int, float) and 0 < value < math.inf, "must be a number above 0"),),
    "plain_convolutions": _BOOLEAN,
    "max_inputs": ((lambda value: type(value) is int and value >= 1, "must be an integer of at least 1, or null"),),
    "num_paths": _integer(1, 8),
}
