"""The binary convolution unit and the other blocks that cells are made of, written once for every layer factory."""

from typing import Any

from bars_tf.network.factory import LayerFactory, Tensor
from bars_tf.space.channels import Channels
from bars_tf.space.primitives import Primitive


def binary_branch(factory: LayerFactory, x: Tensor, source: Channels, target: Channels, name: str, *, kernel: int,
                  stride: int = 1, dilation: int = 1, activation: str = "relu", scale: Any = None) -> Tensor:
    """Sign, binary convolution, activation, batch norm.

    The order is the one that the Larq Compute Engine fuses and that trained best (our choice; BARS's code has
    BN, sign, convolution, ReLU). At stride 2 the convolution is factorized as in BARS: two convolutions with half of
    the filters each, the second on the input shifted by one pixel, so that every pixel is read. With a backbone it is
    one convolution, as there.

    With several paths (`space.num_paths`) each has a batch norm before the sign, which shifts it, and one behind, whose
    factors are the learned scales of their sum.

    Args:
        x: [B, height, width, source].
        activation: "relu" or "none".
        scale: factor of the result, in the supernet.
    """
    def strided_conv(x: Tensor, target: Channels, name: str) -> Tensor:
        if dilation == 1 and kernel > 1:
            return factory.binary_conv(x, source, target, kernel, 2, 1, name)
        # Every second pixel under a kernel of rate 2 is every pixel of the subsampled image under rate 1. And the
        # gradient of a 1x1 convolution of stride 2 writes beyond its memory on processors (TensorFlow 2.19 with oneDNN,
        # odd batch sizes).
        return factory.binary_conv(factory.subsample(x), source, target, kernel, 1, 1, name)

    def path(x: Tensor, name: str) -> Tensor:
        x = factory.binarize(x)
        if stride == 1:
            y = factory.binary_conv(x, source, target, kernel, 1, dilation, f"{name}_conv")
        elif factory.space.backbone:
            y = strided_conv(x, target, f"{name}_conv")
        else:
            halves = {"even": x, "odd": factory.shift(x)}
            y = factory.merge_halves([strided_conv(image, target.half(), f"{name}_{half}")
                                      for half, image in halves.items()], target)
        return factory.batch_norm(factory.relu(y) if activation == "relu" else y, target, f"{name}_bn", scale)

    if factory.space.num_paths == 1:
        return path(x, name)
    names = [f"{name}_path_{k}" for k in range(factory.space.num_paths)]
    return factory.add([path(factory.batch_norm(x, source, f"{name}_shift_bn"), name) for name in names])


def primitive_branch(factory: LayerFactory, primitive: Primitive, x: Tensor, through: Tensor, source: Channels,
                     target: Channels, stride: int, name: str, scale: Any = None) -> Tensor:
    """The branch of a primitive, without its shortcut: of x, or for a pooling of `through`, the edge's identity."""
    if primitive.branch == "bin_conv":
        return binary_branch(factory, x, source, target, name, kernel=primitive.kernel, stride=stride,
                             dilation=primitive.dilation, activation=primitive.activation, scale=scale)
    return factory.pool(through, primitive.branch, primitive.kernel, scale=scale)


def identity(factory: LayerFactory, x: Tensor, source: Channels, target: Channels, stride: int) -> Tensor:
    """The output of a shortcut: x itself, at stride 2 its 2x2 averages.

    Into another stage output channel j takes input channel j mod C_in, whatever the ratio of the widths (our rule; BARS
    concatenates the average with itself where channels double).
    """
    x = factory.average_pool(x) if stride == 2 else x
    return x if source == target else factory.map_channels(x, source, target)


def transition(factory: LayerFactory, x: Tensor, source: Channels, target: Channels, name: str) -> Tensor:
    """QuickNet's way to half the size (arXiv 2011.09398): ReLU, max pooling, blur, and a float 1x1 convolution.

    The blur is the original's kernel (1 2 1): two averages of 2x2, the second one of stride 2.
    """
    x = factory.pool(factory.relu(x), "max_pool", 2)
    x = factory.average_pool(factory.pool(x, "avg_pool", 2))
    return factory.batch_norm(factory.conv(x, source, target, 1, 1, f"{name}_conv"), target, f"{name}_bn")
