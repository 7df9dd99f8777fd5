"""The binary convolution unit and the other blocks that cells are made of, written once for every layer factory."""

from __future__ import annotations

from typing import Any

from bars_tf.space.channels import Channels
from bars_tf.space.primitives import Primitive


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


def transition(ops: Any, x: Any, source: Channels, target: Channels, name: str) -> Any:
    """QuickNet's way to half the size (arXiv 2011.09398): ReLU, max pooling, blur, and a float 1x1 convolution. The
    blur is the original's kernel (1 2 1): two averages of 2x2, the second one of stride 2."""
    x = ops.pool(ops.relu(x), "max_pool", 2)
    x = ops.average_pool(ops.pool(x, "avg_pool", 2))
    return ops.batch_norm(ops.conv(x, source, target, 1, 1, f"{name}_conv"), target, f"{name}_bn")
