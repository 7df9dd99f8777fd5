"""Memory of activations.

*Peak activation bytes*: the largest sum of tensors that live at one time, the layers run one by one in the order of the
list. A tensor has 4 bytes an element and lives from the layer that makes it to the last that reads it, both included.
ReLU and batch norm overwrite their input if they are the last that read it. Signs are not stored: a binary convolution
reads them off the float tensor, as the Keras model does. This way of counting is our choice.
"""

from __future__ import annotations

from bars_tf.network.layer_list import Layers, last_reads

IN_PLACE = ("relu", "batch_norm")


def peak_activation_bytes(layers: Layers) -> int:
    """The most bytes of tensors that live at one time, of one image."""
    last = last_reads(layers, max(layers))
    living = peak = 0
    for number, layer in layers.items():
        dying = sum(layers[i].bytes for i in set(layer.inputs) if last[i] == number)
        living += layer.bytes
        peak = max(peak, living - (dying if layer.kind in IN_PLACE else 0))
        living -= dying
    return peak
