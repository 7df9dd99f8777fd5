"""The candidate operations of an edge, as data: those of the package, and a user's own by name."""

import re
from typing import Any, NamedTuple

from bars_tf.errors import FieldError


class Primitive(NamedTuple):
    """An operation on an edge: the sum of a branch and a shortcut, either of which may be missing.

    Attributes:
        branch: "bin_conv", a binary convolution; "max_pool" or "avg_pool", a pooling of stride 1 of what the shortcut
            would carry; "none", no branch.
        kernel: side length of the convolution's kernel or of the pooling's window.
        dilation: dilation rate of the convolution.
        shortcut: whether the edge's identity is added.
        activation: between convolution and batch norm, "relu" or "none".
    """

    branch: str
    kernel: int = 0
    dilation: int = 1
    shortcut: bool = True
    activation: str = "relu"


PRIMITIVES = {
    "none": Primitive("none", shortcut=False),
    "skip": Primitive("none"),
    "bin_conv_1x1": Primitive("bin_conv", 1),
    "bin_conv_3x3": Primitive("bin_conv", 3),
    "bin_conv_5x5": Primitive("bin_conv", 5),
    "bin_dil_conv_3x3": Primitive("bin_conv", 3, 2),
    "bin_dil_conv_5x5": Primitive("bin_conv", 5, 2),
    "max_pool_3x3": Primitive("max_pool", 3, shortcut=False),
    "avg_pool_3x3": Primitive("avg_pool", 3, shortcut=False),
}
CONVOLUTIONS = ("bin_conv",)  # the branches with a binary convolution, of x; the others are poolings of the shortcut
BRANCHES, ACTIVATIONS = (*CONVOLUTIONS, "max_pool", "avg_pool"), ("relu", "none")


def own_primitives(values: Any) -> tuple[tuple[str, Primitive], ...]:
    """The primitives that a user describes, as (name, primitive), from the fields of `Primitive` by name.

    Raises: FieldError whose remedy names the primitive and its wrong field."""
    if not isinstance(values, dict):
        raise FieldError("own_primitives", values, "must be an object of primitives by name")
    for name in values:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or name in PRIMITIVES:
            raise FieldError("own_primitives", name, "needs new names of small letters, digits, _")
    try:
        return tuple((name, _own_primitive(name, fields)) for name, fields in values.items())
    except ValueError as error:
        raise FieldError("own_primitives", list(values), str(error)) from None


def _own_primitive(name: str, values: Any) -> Primitive:
    if not isinstance(values, dict) or set(values) - set(Primitive._fields) or "branch" not in values:
        raise ValueError(f"{name}: must be an object with branch and some of {', '.join(Primitive._fields[1:])}")
    primitive = Primitive(**values)
    branch, kernel, dilation, shortcut, activation = primitive
    dilations = (1, 2) if branch in CONVOLUTIONS else (1,)
    for field, holds, remedy in (
            ("branch", branch in BRANCHES, f"must be one of {', '.join(BRANCHES)}"),
            ("kernel", type(kernel) is int and kernel in range(1, 12, 2), "must be an odd number from 1 to 11"),
            ("dilation", type(dilation) is int and dilation in dilations,
             f"must be 1, or for {', '.join(CONVOLUTIONS)} 1 or 2"),
            ("shortcut", type(shortcut) is bool, "must be true or false"),
            ("activation", activation in ACTIVATIONS, f"must be one of {', '.join(ACTIVATIONS)}")):
        if not holds:
            raise ValueError(f"{name}: {field}: {remedy}")
    return primitive
