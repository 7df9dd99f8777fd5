"""The interface of layer factories, over which the builder builds networks."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bars_tf.space.channels import Channels
from bars_tf.space.positions import CellPosition

Tensor = Any  # a tensor of the factory: of Keras, of TensorFlow, or the number of a layer


class LayerFactory(Protocol):
    """Makes the layers of a network, in the order in which the builder asks for them.

    - `keras_network.KerasFactory` makes the stock Keras and Larq layers of one genotype.
    - `layer_list.LayerListFactory` makes a list of the layers of one genotype, without TensorFlow.
    - `search.supernet.factory.SupernetFactory` makes every candidate, weighted by the choices.

    Images are [B, height, width, channels]; padding is "same". `source` and `target` are the channels of a layer's
    input and output, `name` is that of a layer with weights. A method that is given `scale` multiplies its result by
    it; only the supernet does so.
    """

    @property
    def space(self) -> Any:
        """The `SearchSpace` of the network (not named as a type: chains of imports stay shorter)."""

    # Layers with weights

    def conv(self, x: Tensor, source: Channels, target: Channels, kernel: int, stride: int, name: str) -> Tensor:
        """Float convolution without bias."""

    def binarize(self, x: Tensor) -> Tensor:
        """Sign of x, where the convolution does not take it by itself."""

    def binary_conv(self, x: Tensor, source: Channels, target: Channels, kernel: int, stride: int, dilation: int,
                    name: str) -> Tensor:
        """Convolution of signs by binary kernels, without bias; pixels outside are 1."""

    def batch_norm(self, x: Tensor, channels: Channels, name: str, scale: Any = None) -> Tensor:
        """Batch normalization with scale and offset."""

    def head(self, x: Tensor, source: Channels) -> Tensor:
        """Logits [B, classes]: the mean over the pixels, and a dense layer."""

    # Layers without weights

    def relu(self, x: Tensor) -> Tensor:
        """max(x, 0)."""

    def add(self, terms: Sequence[Tensor]) -> Tensor:
        """The sum of at least one tensor."""

    def pool(self, x: Tensor, kind: str, size: int, stride: int = 1, scale: Any = None) -> Tensor:
        """Pooling of a kind, "max_pool" or "avg_pool", over size x size pixels."""

    def average_pool(self, x: Tensor) -> Tensor:
        """Means of 2x2 pixels, stride 2."""

    def subsample(self, x: Tensor) -> Tensor:
        """Every second pixel, from the first."""

    def shift(self, x: Tensor) -> Tensor:
        """The image moved by one pixel to the left and up."""

    def map_channels(self, x: Tensor, source: Channels, target: Channels) -> Tensor:
        """Output channel j is input channel j mod C_in."""

    def concat(self, nodes: Sequence[Tensor]) -> Tensor:
        """The nodes of a cell, one behind the other along the channels."""

    def merge_halves(self, halves: Sequence[Tensor], target: Channels) -> Tensor:
        """The two halves of a factorized convolution as one tensor with the channels `target`."""

    # Where one genotype and all of them differ

    def edge(self, position: CellPosition, edge: tuple[int, int], x: Tensor, identity: Tensor, source: Channels,
             target: Channels, stride: int) -> Tensor:
        """The output of an edge (source node, target node) of a cell; `identity` goes over its shortcut."""

    def normalized_sum(self, position: CellPosition, nodes: Sequence[Tensor], channels: Channels, name: str) -> Tensor:
        """The batch-normalized sum of the nodes that have inputs."""

    def chain(self, stage: int, x: Tensor, positions: Sequence[CellPosition],
              run: Callable[[Tensor, CellPosition], Tensor]) -> Tensor:
        """The normal cells of a stage, of which the depth keeps the first; `run` builds one."""
