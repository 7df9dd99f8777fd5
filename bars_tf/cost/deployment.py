"""The cost of a network at deployment, beside its multiply-accumulates.

Three figures, for one image, are functions of the list of a network's layers. Each way of counting is our choice:

*Packed BOPs*: binary multiply-accumulates with the input channels of every binary convolution rounded up to a multiple
of 32, as the Larq Compute Engine packs them into words.

*Element-wise operations*: one for each element of the output of a ReLU, a batch norm, an addition of two terms (of n
terms n - 1), for each pixel of the window of each output of a pooling, and for the sign of each element that binary
convolutions read, however many read it. Those that the engine computes within a binary convolution cost time too, and
count; the batch norm right behind a float convolution does not, as it is merged into the kernel. Copies cost none:
concatenation, shift, subsampling, mapping of channels, zeros.

*Peak activation bytes*: see `layers.peak_activation_bytes`.
"""

import math
from typing import NamedTuple

from bars_tf.cost import operations
from bars_tf.network.layer_list import layers_of
from bars_tf.network.layers import Layers, peak_activation_bytes
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace

PACKED = 32  # channels in a word


class DeploymentCost(NamedTuple):
    """Operations of one image, bytes."""

    packed_bops: int
    elementwise_ops: int
    peak_activation_bytes: int


# How people read them, as `measures.UNITS`.
LABELS = {"packed_bops": "packed BOPs", "elementwise_ops": "element-wise operations",
          "peak_activation_bytes": "peak activation bytes"}


def deployment_cost(genotype: Genotype, input_shape: tuple[int, int, int], num_classes: int) -> DeploymentCost:
    """The three figures of a network for images (height, width, channels)."""
    layers = layers_of(genotype, input_shape, num_classes)
    return DeploymentCost(bops(layers, PACKED), elementwise_ops(layers), peak_activation_bytes(layers))


def bops(layers: Layers, multiple: int = 1) -> int:
    """Binary multiply-accumulates, the input channels of each convolution rounded up to a multiple."""
    return sum(math.prod(layer.window) * -(-layer.in_channels // multiple) * multiple * layer.elements
               for layer in layers.values() if layer.kind == "binary_conv")


def elementwise_ops(layers: Layers) -> int:
    """Element-wise operations, as the module defines them."""
    return sum(operations.elementwise_ops(layer, layers) for layer in layers.values()) + sum(
        layers[number].elements for number in operations.signs(layers))


def notes(space: SearchSpace) -> list[str]:
    """The choices of a space that cost time at deployment, where inputs are packed to 32 channels and outputs should be
    multiples of 8."""
    full = [space.node_channels(stage).size for stage in range(space.num_stages)]
    sizes = sorted({round(size * width) for size in full for width in space.width_choices})
    found = []
    if unpacked := [c for c in sizes if c % 32]:
        found.append(f"node widths {unpacked} are no multiple of 32: their kernels are padded to it on the device")
    if odd := [c for c in sizes if c % 8]:
        found.append(f"node widths {odd} are no multiple of 8: slower on the device")
    activations = {space.primitive(p).activation for p in space.convolutions()}
    if space.kernel_quantizer != "ste_sign" and "relu" in activations:
        found.append(f"behind a convolution with {space.kernel_quantizer} the converter leaves ReLU and batch norm "
                     "apart: ste_sign, or primitives without activation, run faster on the device")
    return found
