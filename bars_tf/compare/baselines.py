"""Hand-made networks that a search has to beat, by name: each as wide as a budget allows, in every depth.

All are genotypes of some space, so that they are built, counted, trained and written as any other network.
"""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable

from bars_tf.compare.settings import MOST_BLOCKS, USUAL_BLOCKS
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_at
from bars_tf.space import backbones, genotype
from bars_tf.space.fields import MAX_CHANNELS
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import NASB
from bars_tf.space.search_space import MAX_NODE_CHANNELS, SearchSpace

Fits = Callable[[Genotype], bool]

# The widths of a baseline depend on each other, so that float operations that a search spends on wide stages remain
# unused: with a second, 1x1 convolution the stem can spend them, as QuickNet's own does.
LONGER_STEMS = {"conv_3x3": "cifar", "conv_3x3_2": "cifar_2"}


def make(name: str, space: SearchSpace, budget: Budget, input_shape: tuple[int, int, int], num_classes: int,
         blocks: int = USUAL_BLOCKS) -> Genotype:
    """The baseline of a name, as wide as the budget allows, with stem and quantizers of a space.

    Args:
        name: one of `settings.BASELINES`.
        space: of the search.
        input_shape: (height, width, channels) of an image.
        blocks: blocks of each stage, without effect on a backbone.

    Raises: ValueError if the smallest such network is above the budget, or the space has nothing to make it of.
    """
    def fits(network: Genotype) -> bool:
        return budget.allows(cost_at(network, input_shape, num_classes, budget.device))

    def used(network: Genotype) -> tuple[float, float]:
        found = cost_at(network, input_shape, num_classes, budget.device)
        return budget.used(found), found.ops  # widths between two steps of memory take the same

    if found := max(filter(fits, _options(name, space, fits, blocks)), key=used, default=None):
        return found
    limits = ", ".join(f"{name}={limit:,.0f}" for name, limit in budget.limits().items())
    raise ValueError(f"its smallest network is above the budget {limits}; a higher one is needed")


def depths(name: str, space: SearchSpace, budget: Budget, input_shape: tuple[int, int, int], num_classes: int
           ) -> dict[str, tuple[Genotype, Genotype | None]]:
    """A baseline in every depth that the budget allows: the network, and the same depth with a longer stem if any fits.

    Returns: by name, such as "quicknet_2" for two blocks a stage; a backbone has one depth.
    Raises: ValueError as `make`, if no depth fits.
    """
    if name not in BY_STEPS:
        return {name: (make(name, space, budget, input_shape, num_classes), None)}
    found, longer = {}, LONGER_STEMS.get(space.stem)
    for blocks in range(1, MOST_BLOCKS + 1):
        try:
            network, variant = make(name, space, budget, input_shape, num_classes, blocks), None
        except ValueError:
            if not found:
                raise
            break  # deeper ones cost more
        with contextlib.suppress(ValueError):
            variant = longer and make(name, space.replace(stem=longer), budget, input_shape, num_classes, blocks)
        found[f"{name}_{blocks}"] = network, variant
    return found


def _options(name: str, space: SearchSpace, fits: Fits, blocks: int) -> Iterable[Genotype]:
    """Networks of which the largest that fits is the baseline; none if even the smallest does not fit."""
    if name in BY_STEPS:
        return _widest(lambda steps: BY_STEPS[name](space, steps, blocks),
                       3 if name in ("resnet", "bireal") else space.num_stages, fits)
    if not space.backbone:
        raise ValueError(f"the space {space.name} has no backbone; --space=nasb has one")
    # As it is, a backbone costs less than the budget by the overhead that a search may add.
    return _widened(space, fits) if name == "widened" else [backbones.backbone(space)]


def quicknet_of(space: SearchSpace, steps: tuple[int, ...], blocks: int = USUAL_BLOCKS) -> Genotype:
    """QuickNet (Bannink et al., arXiv 2011.09398; `larq_zoo/sota/quicknet.py`) for small images.

    Its own are the residual blocks, one binary 3x3 convolution each; the transitions, max pooling, blur, a float 1x1
    convolution; and the ReLU before the classifier. Stem, quantizers and number of stages are those of the space; the
    order inside a block, convolution, ReLU, batch norm, is the same there. Stage s has steps[s] * 2**s channels.
    """
    most, stages = max(steps), len(steps)
    quick = SearchSpace(
        name="quicknet", stem=space.stem, stem_channels=space.stem_channels or space.init_channels, init_channels=most,
        layout="R".join(["N" * blocks] * stages), num_nodes=1, full_width_nodes=True, reduction_shortcut="transition",
        reduction_kernel=0, head_activation="relu", primitives=("none", "bin_conv_3x3"), sharing="all",
        width_choices=_fractions(steps), input_quantizer=space.input_quantizer,
        kernel_quantizer=space.kernel_quantizer, latent_clip=space.latent_clip)
    topologies = {"normal": (((0, "bin_conv_3x3"),),), "reduction": ((),)}
    return Genotype(quick, tuple(n / most for n in steps), (blocks,) * stages,
                    tuple(topologies[group] for group in quick.groups))


def uniform_of(space: SearchSpace, steps: tuple[int, ...], blocks: int = USUAL_BLOCKS) -> Genotype:
    """The network with the same convolution on every edge and `blocks` normal cells a stage.

    Stage s has nodes of steps[s] * 2**s channels.
    Raises: ValueError if the space has no convolution, or other cells than those of BARS.
    """
    if space.backbone:
        raise ValueError(f"the cells of the space {space.name} are those of its backbone; take other references")
    if not space.convolutions():
        raise ValueError(f"the space {space.name} has no convolution to make it of")
    most, usual = max(steps), "bin_conv_3x3"
    primitive = usual if usual in space.convolutions() else space.convolutions()[0]
    scaled = space.replace(init_channels=most, stem_channels=space.stem_channels or space.init_channels,
                           layout="R".join(["N" * blocks] * len(steps)), width_choices=_fractions(steps),
                           depth_choices=None)
    return genotype.uniform(scaled, primitive, [n / most for n in steps])


def residual_of(space: SearchSpace, steps: tuple[int, ...], blocks: int = USUAL_BLOCKS,
                activation: str = "relu") -> Genotype:
    """A binary residual network with stem and quantizers of a space, as a backbone without edges.

    Every convolution has a shortcut around it, as in Bi-Real Net (Liu et al., arXiv 1808.00278). A ReLU behind the
    convolutions is our choice, because it trains better; "none" as `activation` is Bi-Real Net's order. Stage s has
    steps[s] * 2**s channels and `blocks` blocks of two convolutions.
    """
    stages = [(n * 2**stage, blocks) for stage, n in enumerate(steps)]
    return backbones.backbone(NASB.replace(
        name="resnet" if activation == "relu" else "bireal", stem=space.stem,
        stem_channels=space.stem_channels or space.init_channels, init_channels=steps[0],
        backbone=backbones.residual_groups(stages), backbone_activation=activation, num_nodes=1,
        primitives=("none", "skip"), input_quantizer=space.input_quantizer, kernel_quantizer=space.kernel_quantizer,
        latent_clip=space.latent_clip))


def _widened(space: SearchSpace, fits: Fits) -> Iterable[Genotype]:
    """The backbone with channels that bring it near to the budget: the overhead of the search, spent on width."""
    stages = [space.node_channels(stage).size for stage in range(space.num_stages)]

    def scaled(thousandths: int) -> list[int]:
        return [size + size * thousandths // 1000 for size in stages]

    most = _largest(lambda n: fits(_with_channels(space, scaled(n))), 3000)
    # As wide as all can be, then a little wider in some.
    options = [range(size, size + (3 if size >= 128 else 2 + size // 32)) for size in scaled(most)]
    return (_with_channels(space, each) for each in itertools.product(*options))


def _with_channels(space: SearchSpace, channels: tuple[int, ...] | list[int]) -> Genotype:
    groups = [group._replace(channels=channels[cell.stage]) for group, cell in zip(space.backbone, space.cells())]
    return backbones.backbone(space.replace(init_channels=channels[0], backbone=tuple(groups), num_nodes=1,
                                            primitives=("none", "skip")))


def _widest(network: Callable[[tuple[int, ...]], Genotype], stages: int, fits: Fits) -> Iterable[Genotype]:
    """The networks with the most steps that fit in all stages, or with one more step in some of them."""
    space = network((1,) * stages).space
    limit = MAX_CHANNELS >> (stages - 1) if space.backbone else min(MAX_CHANNELS, MAX_NODE_CHANNELS >> (stages - 1))
    most = _largest(lambda n: fits(network((n,) * stages)), limit - 1)
    if not most:
        return ()
    # Magnitude-aware kernels need all channels of a stage, which a backbone always has.
    has_one_width = space.kernel_quantizer == "magnitude_aware_sign" and not space.backbone
    return map(network, itertools.product(range(most, most + (1 if has_one_width else 2)), repeat=stages))


def _fractions(steps: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(sorted({n / max(steps) for n in steps}))


def _largest(fits: Callable[[int], bool], limit: int) -> int:
    """The largest number from 1 to `limit` that fits, where those below it do; 0 if none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


# Networks of any width; the others are made of a backbone.
BY_STEPS = {"resnet": residual_of, "bireal": functools.partial(residual_of, activation="none"),
            "quicknet": quicknet_of, "bars_uniform": uniform_of}
