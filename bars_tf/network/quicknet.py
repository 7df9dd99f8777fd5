"""QuickNet (Bannink et al., arXiv 2011.09398; `larq_zoo/sota/quicknet.py`) for small images, told once.

Its own are the residual blocks, one binary 3x3 convolution each, and the transitions: max pooling, blurring, a float
1x1 convolution. Stem, quantizers, number of sections and classifier are those of a search space that it stands beside;
the order inside a block, convolution, ReLU, batch norm, is the same there.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from bars_tf.cost.tables import Cost
from bars_tf.network.blocks import binary_branch, transition
from bars_tf.network.builder import stem
from bars_tf.network.counting import CountOps
from bars_tf.network.layer_list import LayerOps, Layers, peak_activation_bytes
from bars_tf.space.channels import Channels
from bars_tf.space.search_space import SearchSpace


@dataclasses.dataclass(frozen=True)
class QuickNet:
    """Plain data, as a genotype is: `filters` of each section, `blocks` in each of them."""

    space: SearchSpace
    filters: tuple[int, ...]
    blocks: int = 4

    @classmethod
    def of_width(cls, space: SearchSpace, filters: int) -> QuickNet:
        """So many filters in the last section, half as many in each before it."""
        last = space.num_stages - 1
        each = tuple(max(1, round(filters / 2 ** (last - section))) for section in range(last + 1))
        return cls(space.replace(num_paths=1), each)

    def describe(self) -> list[str]:
        """A line a section."""
        return [f"section {i}: {filters} channels, {self.blocks} blocks" for i, filters in enumerate(self.filters)]

    def cost(self, input_shape: tuple[int, int, int], num_classes: int) -> Cost:
        """The exact cost, as that of a genotype is counted."""
        ops = CountOps(self.space, {}, num_classes)
        tell(ops, self, tuple(input_shape[:2]), input_shape[2])
        return Cost(*(round(v) for v in sum(ops.costs.values()).tolist()),
                    peak_activation_bytes(self.layers(input_shape, num_classes)))

    def layers(self, input_shape: tuple[int, int, int], num_classes: int) -> Layers:
        """All layers, the logits the last one."""
        ops = LayerOps(self, num_classes)
        return ops.needed(tell(ops, self, ops.image(input_shape), input_shape[2]))


def tell(ops: Any, net: QuickNet, image: Any, image_channels: int) -> Any:
    """Logits (or whatever `ops` returns for its head) of `image`; `ops` as in `network`."""
    channels = Channels(net.filters[0])
    x = stem(ops, net.space, image, image_channels, channels)
    for section, filters in enumerate(net.filters):
        if section:
            source, channels = channels, Channels(filters)
            x = transition(ops, x, source, channels, f"section_{section}_transition")
        for block in range(net.blocks):
            y = binary_branch(ops, x, channels, channels, f"section_{section}_block_{block}", kernel=3)
            x = ops.add([y, x])
    return ops.head(ops.relu(x), channels)
