"""Hand-made networks that a search has to beat, by name: each as large as a budget allows.

A reference is the genotype of some space, or a `QuickNet`: plain data, without TensorFlow.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import Budget, Cost
from bars_tf.network.quicknet import QuickNet
from bars_tf.space import backbones
from bars_tf.space.backbones import residual_groups
from bars_tf.space.fields import MAX_CHANNELS
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import NASB
from bars_tf.space.search_space import SearchSpace

Network = Genotype | QuickNet
Used = Callable[[Network], tuple[float, float]]
Shape = tuple[int, int, int]


def cost(network: Network, input_shape: Shape, num_classes: int) -> Cost:
    """The exact cost of a genotype or a reference."""
    if isinstance(network, QuickNet):
        return network.cost(input_shape, num_classes)
    return complexity.cost(network, complexity.cost_tables(network.space, input_shape, num_classes))


# Widths of a reference are bound to each other, so that float operations that a search spends on wide stages are left
# over. Spent in the stem they make QuickNet better (README, "Comparing"), whose own stem ends in a 1x1 convolution too.
LONGER_STEMS = {"conv_3x3": "cifar", "conv_3x3_2": "cifar_2"}


def make(name: str, space: SearchSpace, budget: Budget, input_shape: Shape, num_classes: int) -> Network:
    """The reference of that name, as large as the budget allows, with stem and quantizers of `space`; but for a
    backbone, a stem of one convolution gets a second one (`LONGER_STEMS`) where the budget allows.

    Raises: ValueError if the smallest one is above the budget, or the space has nothing to make it of.
    """
    def fits(network: Network) -> bool:
        return budget.allows(cost(network, input_shape, num_classes))

    def used(network: Network) -> tuple[float, float]:
        found = cost(network, input_shape, num_classes)
        return budget.used(found), found.ops  # widths between two steps of memory take the same

    longer = space.stem if space.backbone else LONGER_STEMS.get(space.stem, space.stem)
    for stem in dict.fromkeys((longer, space.stem)):
        if found := REFERENCES[name](space.replace(stem=stem), fits, used):
            return found
    limits = ", ".join(f"{name}={limit:,.0f}" for name, limit in budget.limits().items())
    raise ValueError(f"its smallest network is above the budget {limits}; a higher one is needed")


def quicknet(space: SearchSpace, fits: Callable[[Network], bool], used: Used) -> QuickNet | None:
    """The widest QuickNet that fits."""
    filters = _largest(lambda n: fits(QuickNet.of_width(space, n)), MAX_CHANNELS)
    return QuickNet.of_width(space, filters) if filters else None


def bars_uniform(space: SearchSpace, fits: Callable[[Network], bool], used: Used) -> Genotype | None:
    """All cells, the same convolution on every edge, and one width: the largest that fits.

    A step of the width is a channel of a node in the first stage. Where the next step does not fit for all stages, it
    is taken in those in which it brings the cost nearest to the budget.
    """
    limit = min(4096, MAX_CHANNELS >> (space.num_stages - 1)) - 1
    channels = _largest(lambda n: fits(uniform(space, (n,) * space.num_stages)), limit)
    if not channels:
        return None
    # The scale of such kernels needs all channels of a stage.
    steps = 1 if space.kernel_quantizer == "magnitude_aware_sign" else 2
    widths = itertools.product(range(channels, channels + steps), repeat=space.num_stages)
    return max(filter(fits, (uniform(space, each) for each in widths)), key=used)


def uniform(space: SearchSpace, channels: tuple[int, ...]) -> Genotype:
    """The network of full depth with the same convolution on every edge: in stage s nodes have `channels[s]` * 2**s
    channels.

    Raises: ValueError if the space has no convolution, or other cells than those of BARS.
    """
    if space.backbone:
        raise ValueError(f"the cells of the space {space.name} are those of its backbone; take other references")
    if not space.convolutions():
        raise ValueError(f"the space {space.name} has no convolution to make it of")
    usual = "bin_conv_3x3"
    primitive = usual if usual in space.convolutions() else space.convolutions()[0]
    most = max(channels)
    scaled = space.replace(init_channels=most, stem_channels=space.stem_channels or space.init_channels,
                           width_choices=tuple(sorted({n / most for n in channels})), depth_choices=None)
    topology = tuple(tuple((source, primitive) for source in range(target)) for target in range(1, space.num_nodes + 1))
    return Genotype(scaled, tuple(n / most for n in channels),
                    tuple(len(scaled.chain(stage)) for stage in range(space.num_stages)),
                    (topology,) * len(scaled.groups))


def resnet(space: SearchSpace, fits: Callable[[Network], bool], used: Used) -> Genotype | None:
    """A binary residual network as Bi-Real Net's, of three stages of `BLOCKS` blocks: the widest that fits.

    Channels double from stage to stage, but for the last step of the width, as in `bars_uniform`.
    """
    channels = _largest(lambda n: fits(residual(space, (n, 2 * n, 4 * n))), 1000)
    if not channels:
        return None
    widths = itertools.product(*(range(c * channels, c * (channels + 1) + 1, c) for c in (1, 2, 4)))
    return max(filter(fits, (residual(space, each) for each in widths)), key=used)


# Of two convolutions each: between the 8 and the 20 layers of the usual residual networks for small images.
BLOCKS = 2


def residual(space: SearchSpace, channels: tuple[int, ...]) -> Genotype:
    """A residual network with stem and quantizers of `space`, as a backbone without searched edges."""
    return backbones.backbone(NASB.replace(
        name="resnet", stem=space.stem, stem_channels=space.stem_channels or space.init_channels,
        init_channels=channels[0], backbone=residual_groups([(c, BLOCKS) for c in channels]), num_nodes=1,
        primitives=("none", "skip"), input_quantizer=space.input_quantizer, kernel_quantizer=space.kernel_quantizer,
        latent_clip=space.latent_clip))


def backbone(space: SearchSpace, fits: Callable[[Network], bool], used: Used) -> Genotype | None:
    """The backbone of the space as it is: it costs less than the budget by what the search may add."""
    _require_backbone(space)
    found = backbones.backbone(space)
    return found if fits(found) else None


def widened(space: SearchSpace, fits: Callable[[Network], bool], used: Used) -> Genotype | None:
    """The backbone with the numbers of channels that bring it nearest to the budget: what the search may add, spent on
    width."""
    _require_backbone(space)
    stages = [space.node_channels(stage).size for stage in range(space.num_stages)]

    def scaled(thousandths):
        return [size + size * thousandths // 1000 for size in stages]

    most = _largest(lambda n: fits(_with_channels(space, scaled(n))), 3000)
    # As wide as all can be, then a little wider in some.
    options = [range(size, size + (3 if size >= 128 else 2 + size // 32)) for size in scaled(most)]
    return max(filter(fits, (_with_channels(space, each) for each in itertools.product(*options))), key=used,
               default=None)


def _with_channels(space: SearchSpace, channels: tuple[int, ...]) -> Genotype:
    groups = [group._replace(channels=channels[cell.stage]) for group, cell in zip(space.backbone, space.cells())]
    return backbones.backbone(space.replace(init_channels=channels[0], backbone=tuple(groups), num_nodes=1,
                                           primitives=("none", "skip")))


def _require_backbone(space: SearchSpace) -> None:
    if not space.backbone:
        raise ValueError(f"the space {space.name} has no backbone; --space=nasb has one")


def _largest(fits: Callable[[int], bool], limit: int) -> int:
    """The largest number from 1 to `limit` that fits, where those below it do; 0 if none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


REFERENCES = {"resnet": resnet, "quicknet": quicknet, "bars_uniform": bars_uniform, "backbone": backbone,
              "widened": widened}
