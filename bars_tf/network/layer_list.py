"""The layers of one network as a list, without TensorFlow: costs, memory and times are computed from it."""

from collections.abc import Sequence

from bars_tf.network.builder import build
from bars_tf.network.genotype_factory import GenotypeFactory
from bars_tf.network.layers import Candidate, Layer, Layers, last_reads, strided
from bars_tf.space.genotype import Genotype


def layers_of(genotype: Genotype, input_shape: tuple[int, int, int], num_classes: int) -> Layers:
    """The layers that a network's logits, made by the last one, depend on; images are (height, width, channels)."""
    factory = LayerListFactory(genotype, num_classes)
    return factory.needed(build(factory, factory.image(input_shape), input_shape[2]))


class LayerListFactory(GenotypeFactory):
    """The layer factory that lists layers: a tensor is the number of the layer that makes it."""

    def __init__(self, genotype: Genotype, num_classes: int):
        super().__init__(genotype, num_classes)
        self.layers: list[Layer] = []
        self._candidate: Candidate | None = None

    def image(self, shape: Sequence[int]) -> int:
        """Adds the input (height, width, channels) of the layers that follow."""
        height, width, channels = shape
        self.layers.append(Layer("image", (), (height, width, channels)))
        return len(self.layers) - 1

    def needed(self, result: int) -> Layers:
        """All layers that a result depends on, which is the last one."""
        read = last_reads(self.layers, result)
        return {number: layer for number, layer in enumerate(self.layers) if number in read}

    def edge(self, position, edge, x, identity, source, target, stride):
        space = self.space
        primitive = self.genotype.primitive(position.group, edge)
        if primitive in space.primitives:
            self._candidate = Candidate(space.groups.index(position.group), space.edges.index(edge),
                                        space.primitives.index(primitive))
        result = super().edge(position, edge, x, identity, source, target, stride)
        self._candidate = None
        return result

    def _add(self, kind: str, *inputs: int, channels: int | None = None, window: tuple[int, int] = (1, 1),
             stride: int = 1, dilation: int = 1, name: str = "", variant: str = "") -> int:
        """The number of a new layer; channels are those of its first input if they are not given."""
        height, width, given = self.layers[inputs[0]].shape
        self.layers.append(Layer(kind, inputs, (*strided((height, width), stride), channels or given), given, window,
                                 stride, dilation, name, self._candidate, variant))
        return len(self.layers) - 1

    def conv(self, x, source, target, kernel, stride, name):
        return self._add("conv", x, channels=self._count(target), window=(kernel, kernel), stride=stride, name=name)

    def binary_conv(self, x, source, target, kernel, stride, dilation, name):
        return self._add("binary_conv", x, channels=self._count(target), window=(kernel, kernel), stride=stride,
                         dilation=dilation, name=name)

    def binarize(self, x):
        return x

    def batch_norm(self, x, channels, name, scale=None):
        return self._add("batch_norm", x, name=name)

    def relu(self, x):
        return self._add("relu", x)

    def _sum(self, terms):
        return self._add("add", *terms)

    def _concatenate(self, tensors):
        if len(tensors) == 1:
            return tensors[0]
        return self._add("copy", *tensors, channels=sum(self.layers[x].shape[2] for x in tensors), variant="concat")

    def shift(self, x):
        return self._add("copy", x, variant="shift")

    def _zeros(self, like):
        return self._add("copy", like, variant="zeros")

    def subsample(self, x):
        return self._add("copy", x, stride=2, variant="subsample")

    def map_channels(self, x, source, target):
        return self._add("copy", x, channels=self._count(target), variant="map_channels")

    def average_pool(self, x):
        return self.pool(x, "avg_pool", 2, stride=2)

    def pool(self, x, kind, size, stride=1, scale=None):
        return self._add("pool", x, window=(size, size), stride=stride, variant=kind)

    def head(self, x, source):
        height, width, channels = self.layers[x].shape
        self.layers.append(Layer("pool", (x,), (1, 1, channels), channels, (height, width), variant="mean"))
        return self._add("dense", len(self.layers) - 1, channels=self.num_classes, name="head")
