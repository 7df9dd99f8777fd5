"""The time that the machine itself needs for the convolutions of a network: plain ones of the same shapes."""

import functools
from collections import Counter
from collections.abc import Callable

import numpy as np

from bars_tf.legacy_keras import tf
from bars_tf.network.layer_list import layers_of
from bars_tf.network.layers import Layer
from bars_tf.space.genotype import uniform
from bars_tf.space.search_space import SearchSpace

Convolution = tuple[tuple[int, int, int], Layer]  # (height, width, channels) of its input, and its shapes alone


def convolutions(space: SearchSpace, input_shape: tuple[int, int, int], picked: np.ndarray | None = None
                 ) -> Counter[Convolution]:
    """The convolutions of a network at full width and depth, and how often each occurs.

    `picked` has the primitive of each edge, as indices [groups, edges]; None: all candidates, as in soft samples.
    """
    full, found, outside = space.replace(width_choices=(1.0,), depth_choices=None), Counter(), True
    for k, primitive in enumerate(space.primitives):
        if primitive == "none":
            continue
        layers = layers_of(uniform(full, primitive), input_shape, num_classes=1)
        for layer in layers.values():
            at = layer.candidate
            counts = outside if at is None else picked is None or picked[at.group, at.edge] == k
            if counts and layer.kind in ("conv", "binary_conv"):
                alike = layer._replace(kind="conv", inputs=(), name="", candidate=None)
                found[layers[layer.inputs[0]].shape, alike] += 1
        outside = False  # the same with every primitive
    return found


def macs(counts: Counter[Convolution]) -> int:
    """Multiply-accumulates of all the convolutions, for one image; those of each gradient are as many."""
    return sum(count * layer.macs for (_, layer), count in counts.items())


@functools.cache
def _tensors(convolution: Convolution, batch_size: int) -> list[tf.Tensor]:
    (height, width, channels), layer = convolution
    return [tf.random.normal(shape) for shape in ((batch_size, height, width, channels), (
        *layer.window, channels, layer.shape[-1]), (batch_size, *layer.shape))]


def bare_convolutions(counts: Counter[Convolution], batch_size: int, to_input: bool = True, to_kernel: bool = True
                      ) -> Callable[[], None]:
    """A function that computes all the convolutions one by one, as layers do, and their gradients if asked for."""
    tensors = [(convolution[1], *_tensors(convolution, batch_size)) for convolution in counts.elements()]

    @tf.function(autograph=False)
    def run():
        last = tf.zeros(())
        for layer, images, kernel, upstream in tensors:
            # Each depends on the results of the one before, or TensorFlow would leave these out.
            kernel, upstream = kernel + 1e-30 * last, upstream + 1e-30 * last if to_kernel else upstream
            with tf.GradientTape() as tape:
                tape.watch([images, kernel])
                y = tf.nn.convolution(images, kernel, layer.stride, "SAME", dilations=layer.dilation)
            gradients = tape.gradient(y, [images] * to_input + [kernel] * to_kernel, upstream)
            last = tf.add_n([tf.reshape(result, [-1])[0] for result in (y, *gradients)])
        return last

    return lambda: run().numpy()
