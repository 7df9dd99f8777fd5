"""The time that the machine itself needs for the convolutions of a network: plain Keras ones of the same shapes."""

import time
from collections import Counter
from typing import NamedTuple

import numpy as np

from bars_tf.legacy_keras import tf
from bars_tf.network.layer_list import layers_of
from bars_tf.space.genotype import uniform
from bars_tf.space.search_space import SearchSpace

KINDS = ("forward", "to_input", "to_kernel")


class Shape(NamedTuple):
    """A convolution: input side lengths and channels, filters, kernel side, stride, dilation."""

    height: int
    width: int
    inputs: int
    filters: int
    kernel: int
    stride: int
    dilation: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image; those of the gradients are as many."""
        outputs = -(-self.height // self.stride) * -(-self.width // self.stride)
        return outputs * self.kernel**2 * self.inputs * self.filters


def shapes(space: SearchSpace, input_shape: tuple[int, int, int], picked: np.ndarray | None = None) -> Counter[Shape]:
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
                source = layers[layer.inputs[0]].shape
                found[Shape(*source, layer.shape[2], layer.window[0], layer.stride, layer.dilation)] += 1
        outside = False  # the same with every primitive
    return found


def macs(convolutions: Counter[Shape]) -> int:
    """Multiply-accumulates of all the convolutions, for one image."""
    return sum(count * shape.macs for shape, count in convolutions.items())


class Roofline:
    """Times each convolution, forward and both gradients, once for every call of `measure`."""

    CALLS = 4  # convolutions of one function call, each waiting for the last, as layers do

    def __init__(self, convolutions: set[Shape], batch_size: int):
        self.batch_size = batch_size
        self._runs = {(shape, kind): self._function(shape, kind) for shape in sorted(convolutions) for kind in KINDS}
        self._seconds: dict[tuple[Shape, str], list[float]] = {key: [] for key in self._runs}

    def _function(self, shape, kind):
        images = tf.random.normal((self.batch_size, shape.height, shape.width, shape.inputs))
        kernel = tf.random.normal((shape.kernel, shape.kernel, shape.inputs, shape.filters))

        def convolution(x, k):
            return tf.nn.convolution(x, k, shape.stride, "SAME", dilations=shape.dilation)

        upstream = tf.random.normal(convolution(images, kernel).shape)

        @tf.function(autograph=False)
        def run():
            last = tf.zeros(())
            for _ in range(self.CALLS):
                # The next call depends on the last one's result, or TensorFlow would leave the first ones out.
                tiny = 1e-30 * last
                x = images
                k, dy = (kernel, upstream + tiny) if kind == "to_kernel" else (kernel + tiny, upstream)
                with tf.GradientTape() as tape:
                    tape.watch([x, k])
                    y = convolution(x, k)
                result = y if kind == "forward" else tape.gradient(y, x if kind == "to_input" else k, dy)
                last = tf.reshape(result, [-1])[0]
            return last

        run()
        return run

    def measure(self) -> None:
        """Times every convolution once more."""
        for key, run in self._runs.items():
            start = time.perf_counter()
            run().numpy()
            self._seconds[key].append((time.perf_counter() - start) / self.CALLS)

    def seconds(self, convolutions: Counter[Shape], kinds: tuple[str, ...]) -> float:
        """The sum of the median seconds of all the convolutions, for one batch."""
        return sum(count * float(np.median(self._seconds[shape, kind]))
                   for shape, count in convolutions.items() for kind in kinds)

    def gflops(self, convolutions: Counter[Shape]) -> float:
        """10^9 operations a second, two for each multiply-accumulate, forward and backward."""
        return 2e-9 * len(KINDS) * self.batch_size * macs(convolutions) / self.seconds(convolutions, KINDS)
