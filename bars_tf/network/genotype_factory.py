"""The layer factory of one genotype, whatever it makes: chosen primitives, kept cells, nodes without inputs."""

from typing import Any

from bars_tf.network.blocks import primitive_branch
from bars_tf.network.factory import LayerFactory
from bars_tf.space.channels import Channels
from bars_tf.space.genotype import Genotype


class GenotypeFactory:
    """Implements the methods of `LayerFactory` that a genotype decides. A node without inputs is None.

    A subclass adds the layers, and `_sum` of at least two tensors, `_concatenate` of at least one, and `_zeros` of the
    shape of another tensor.
    """

    def __init__(self, genotype: Genotype, num_classes: int):
        self.genotype, self.space, self.num_classes = genotype, genotype.space, num_classes

    def _count(self, channels: Channels) -> int:
        return channels.count(1.0 if channels.stage is None else self.genotype.widths[channels.stage])

    def add(self, terms):
        terms = [term for term in terms if term is not None]
        return self._sum(terms) if len(terms) > 1 else next(iter(terms), None)

    def normalized_sum(self, position, nodes, channels, name):
        total = self.add(nodes)
        return None if total is None else self.batch_norm(total, channels, name)

    def concat(self, nodes):
        present = [node for node in nodes if node is not None]
        if not present:
            return None
        zeros = self._zeros(present[0]) if len(present) < len(nodes) else None
        return self._concatenate([zeros if node is None else node for node in nodes])

    def merge_halves(self, halves, target):
        return self._concatenate(halves)

    def edge(self, position, edge, x, identity, source, target, stride) -> Any:
        if x is None:
            return None
        chosen, branch = self.genotype.primitive(position.group, edge), None
        primitive = self.space.primitive(chosen)
        if primitive.branch != "none":
            name = f"{position.name}_edge_{edge[0]}_{edge[1]}_{chosen}"
            factory: LayerFactory = self  # type: ignore[assignment]  # a subclass is one
            branch = primitive_branch(factory, primitive, x, identity, source, target, stride, name)
        return self.add([branch, identity if primitive.shortcut else None])

    def chain(self, stage, x, positions, run):
        for position in positions[: self.genotype.depths[stage]]:
            x = run(x, position)
        return x
