"""The candidate operations of an edge as data, and the one binary convolution unit that they are made of.

`ops` is the factory that says in which world a network is built (see `network`): the functions here are written once
and serve the supernet, the derived network and the counting of its costs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bars_tf.errors import FieldError

if TYPE_CHECKING:
    from bars_tf.space.channels import Channels


class Primitive(NamedTuple):
    """An operation on an edge: a branch ("none" has no branch), plus the edge's identity where `shortcut` is set."""

    branch: str  # "none", "bin_conv", or on the edge's identity "max_pool" or "avg_pool" (stride 1)
    kernel: int = 0
    dilation: int = 1
    shortcut: bool = True
    activation: str = "relu"  # between convolution and batch norm: "relu" or "none"


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
BRANCHES, ACTIVATIONS = ("bin_conv", "max_pool", "avg_pool"), ("relu", "none")


def own_primitives(values: Any) -> tuple[tuple[str, Primitive], ...]:
    """The primitives that a user describes by name.

    Raises: ValueError naming the primitive and the field.
    """
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
    def refuse(field: str, remedy: str):
        raise ValueError(f"{name}: {field}: {remedy}")

    if not isinstance(values, dict) or set(values) - set(Primitive._fields) or "branch" not in values:
        raise ValueError(f"{name}: must be an object with branch and some of {', '.join(Primitive._fields[1:])}")
    primitive = Primitive(**values)
    if primitive.branch not in BRANCHES:
        refuse("branch", f"must be one of {', '.join(BRANCHES)}")
    if type(primitive.kernel) is not int or primitive.kernel not in range(1, 12, 2):
        refuse("kernel", "must be an odd number from 1 to 11")
    dilations = (1, 2) if primitive.branch == "bin_conv" else (1,)
    if type(primitive.dilation) is not int or primitive.dilation not in dilations:
        refuse("dilation", "must be 1, or for bin_conv 1 or 2")
    if type(primitive.shortcut) is not bool:
        refuse("shortcut", "must be true or false")
    if primitive.activation not in ACTIVATIONS:
        refuse("activation", f"must be one of {', '.join(ACTIVATIONS)}")
    return primitive


def binary_branch(ops: Any, x: Any, source: Channels, target: Channels, name: str, *, kernel: int, stride: int = 1,
                  dilation: int = 1, activation: str = "relu", scale: Any = None) -> Any:
    """Sign of x, binary convolution, activation, batch norm; `scale` multiplies the result (the supernet's).

    The order is the one that the Larq Compute Engine fuses and that trained best (our choice; BARS's code has
    BN, sign, convolution, ReLU). At stride 2 the convolution is factorized as in BARS: two convolutions with half of
    the filters each, the second on the input shifted by one pixel, so that no pixel goes unseen. With a backbone it is
    one convolution, as there.

    Of several paths each has a batch norm before the sign, which shifts it, and one behind, whose factors are the
    learnt scales of their sum.
    """
    def path(x, name):
        x = ops.binarize(x)
        if stride == 1:
            y = ops.binary_conv(x, source, target, kernel, 1, dilation, f"{name}_conv")
        elif ops.space.backbone:
            y = _strided_conv(ops, x, source, target, kernel, dilation, f"{name}_conv")
        else:
            y = ops.merge_halves([_strided_conv(ops, x, source, target.half(), kernel, dilation, f"{name}_{half}")
                                  for half, x in (("even", x), ("odd", ops.shift(x)))], target)
        return ops.batch_norm(ops.relu(y) if activation == "relu" else y, target, f"{name}_bn", scale)

    if ops.space.num_paths == 1:
        return path(x, name)
    names = [f"{name}_path_{k}" for k in range(ops.space.num_paths)]
    return ops.add([path(ops.batch_norm(x, source, f"{name}_shift_bn"), name) for name in names])


def _strided_conv(ops, x, source, target, kernel, dilation, name):
    if dilation == 1 and kernel > 1:
        return ops.binary_conv(x, source, target, kernel, 2, 1, name)
    # Every second pixel under a kernel of rate 2 is every pixel of the subsampled image under rate 1. And the gradient
    # of a 1x1 convolution of stride 2 writes beyond its memory on processors (TensorFlow 2.19 with oneDNN, odd batch
    # sizes).
    return ops.binary_conv(ops.subsample(x), source, target, kernel, 1, 1, name)


def primitive_branch(ops: Any, primitive: Primitive, x: Any, through: Any, source: Channels, target: Channels,
                     stride: int, name: str, scale: Any = None) -> Any:
    """The branch of a primitive, without its shortcut: of x, or of what a shortcut would carry `through`."""
    if primitive.branch == "bin_conv":
        return binary_branch(ops, x, source, target, name, kernel=primitive.kernel, stride=stride,
                             dilation=primitive.dilation, activation=primitive.activation, scale=scale)
    return ops.pool(through, primitive.branch, primitive.kernel, scale=scale)


def identity(ops: Any, x: Any, source: Channels, target: Channels, stride: int) -> Any:
    """What a shortcut carries: x itself, at stride 2 its 2x2 averages, and into another stage output channel j taking
    input channel j mod (number of input channels), whatever the ratio of the widths (our rule; BARS concatenates the
    average with itself where channels double)."""
    x = ops.average_pool(x) if stride == 2 else x
    return x if source == target else ops.map_channels(x, source, target)
