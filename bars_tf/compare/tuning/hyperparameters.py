"""What a tuner may choose: settings of a training, or a network of a search space. As keras-tuner's hyperparameters.

The names of an architecture's: `width_STAGE`, `depth_STAGE`, `GROUP/SOURCE-TARGET`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from keras_tuner import HyperParameters

from bars_tf.cli.flags import OPTIMIZERS
from bars_tf.config import SearchConfig
from bars_tf.data.pipeline import ImageData
from bars_tf.space.fields import INPUT_QUANTIZERS
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace

QUANTIZER = "input_quantizer"
WARMUP = "warmup_share"  # of the epochs, since trials have fewer than the training that follows


def training_settings(train: ImageData) -> HyperParameters:
    """Rates, schedule, batch, augmentation and quantizer of a training; all but the last are flags."""
    hp, side = HyperParameters(), min(train.image_shape[:2])
    hp.Choice("train_optimizer", list(OPTIMIZERS))
    hp.Float("train_lr", 3e-4, 3e-2, sampling="log")
    hp.Choice(WARMUP, [0.0, 0.1, 0.25])
    hp.Choice("train_batch_size", [size for size in (32, 64, 128, 256) if size <= train.num_images] or [1])
    hp.Choice("crop_padding", sorted({0, side // 14, side // 8}))
    hp.Boolean("flip")
    hp.Choice("cutout", sorted({0, side // 4, side // 2}))
    hp.Choice("label_smoothing", [0.0, 0.05, 0.1])
    hp.Choice("dropout", [0.0, 0.1, 0.2, 0.4])
    hp.Choice(QUANTIZER, list(INPUT_QUANTIZERS))
    return hp


def with_settings(config: SearchConfig, genotype: Genotype, values: Mapping[str, Any], epochs: int
                  ) -> tuple[SearchConfig, Genotype]:
    """The configuration and genotype that tuned values stand for, for a training of so many epochs."""
    flags = {name: value for name, value in values.items() if "/" not in name and name not in (QUANTIZER, WARMUP)}
    share = values.get(WARMUP, config.train_warmup_epochs / config.train_epochs)
    warmup = min(round(share * epochs), epochs - 1)
    space = genotype.space.replace(**{QUANTIZER: values[QUANTIZER]} if QUANTIZER in values else {})
    return (config.replace(**flags, train_epochs=epochs, train_warmup_epochs=warmup),
            dataclasses.replace(genotype, space=space))


def architectures(space: SearchSpace) -> HyperParameters:
    """All choices of a space: the same that the supernet searches."""
    hp = HyperParameters()
    for stage in range(space.num_stages):
        hp.Choice(f"width_{stage}", list(map(float, space.width_choices)))
        hp.Choice(f"depth_{stage}", list(space.depths(stage)))
    for group in space.groups:
        for source, target in space.edges:
            hp.Choice(f"{group}/{source}-{target}", list(space.primitives))
    return hp


def genotype_of(space: SearchSpace, values: Mapping[str, Any]) -> Genotype:
    """The genotype that values of `architectures(space)` stand for."""
    stages = range(space.num_stages)
    topologies = tuple(
        tuple(tuple((source, values[f"{group}/{source}-{target}"]) for source in range(target))
              for target in range(1, space.num_nodes + 1)) for group in space.groups)
    return Genotype(space, tuple(values[f"width_{s}"] for s in stages), tuple(values[f"depth_{s}"] for s in stages),
                    topologies)
