"""Networks whose binarization is searched (NASB), by name."""

from collections.abc import Sequence

from bars_tf.errors import FieldError
from bars_tf.space.fields import Group
from bars_tf.space.genotype import Genotype, uniform
from bars_tf.space.presets import NASB
from bars_tf.space.search_space import SearchSpace

# Residual networks: stem, and (channels, residual blocks of two convolutions) of each stage. Each block is a group.
BACKBONES = {
    "resnet18": ("resnet", ((64, 2), (128, 2), (256, 2), (512, 2))),
    "resnet34": ("resnet", ((64, 3), (128, 4), (256, 6), (512, 3))),
    "resnet18_cifar": ("conv_3x3", ((64, 2), (128, 2), (256, 2), (512, 2))),
    "resnet20": ("conv_3x3", ((16, 3), (32, 3), (64, 3))),
}


def nasb(backbone: str = "resnet20", width_multiplier: float = 1.0) -> SearchSpace:
    """The space of NASB for a backbone in `BACKBONES`, its numbers of channels multiplied; raises FieldError if it is
    unknown, or they are no whole numbers then."""
    if backbone not in BACKBONES:
        raise FieldError("backbone", backbone, f"must be one of {', '.join(BACKBONES)}")
    stem, stages = BACKBONES[backbone]
    multiplied = [channels * width_multiplier for channels, _ in stages]
    if not all(1 <= channels <= 4096 and channels % 1 == 0 for channels in multiplied):
        raise FieldError("width_multiplier", width_multiplier, "must make whole numbers of "
                         f"{', '.join(str(channels) for channels, _ in stages)} channels, at most 4096")
    groups = residual_groups([(int(channels), blocks) for channels, (_, blocks) in zip(multiplied, stages)])
    return NASB.replace(stem=stem, init_channels=groups[0].channels, backbone=groups)


def residual_groups(stages: Sequence[tuple[int, int]]) -> tuple[Group, ...]:
    """The groups of a residual network of (channels, number of blocks) in each stage: one for each block of two
    convolutions; all stages but the first begin with stride 2."""
    return tuple(Group(channels, 2 if stage and not block else 1, 2)
                 for stage, (channels, blocks) in enumerate(stages) for block in range(blocks))


def backbone(space: SearchSpace) -> Genotype:
    """The backbone of a space: the genotype without any searched edge."""
    return uniform(space)
