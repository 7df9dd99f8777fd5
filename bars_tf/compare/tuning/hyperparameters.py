"""Hyperparameters of keras-tuner for the settings of a training, and for the networks of a search space.

Those of a network are called `width_STAGE`, `depth_STAGE` and `GROUP/SOURCE-TARGET`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from keras_tuner import HyperParameters

from bars_tf.data.image_data import ImageData
from bars_tf.data.settings import DataSettings
from bars_tf.space.fields import INPUT_QUANTIZERS
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.settings import TrainingSettings

QUANTIZER = "input_quantizer"
WARMUP = "warmup_share"  # fraction of the epochs, because trials have fewer of them than the training that follows
Settings = TypeVar("Settings", TrainingSettings, DataSettings)


def trainings(train: ImageData) -> HyperParameters:
    """Optimizer, batch size, augmentation, regularization and quantizer of a training, for these training images."""
    hp, side = HyperParameters(), min(train.image_shape[:2])
    hp.Choice("train_optimizer", ["adam", "sgd"])
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


def tuned(training: TrainingSettings, data: DataSettings, genotype: Genotype, values: Mapping[str, Any], epochs: int
          ) -> tuple[TrainingSettings, DataSettings, Genotype]:
    """Settings and genotype of a training with values of some of `trainings`; the warm-up is scaled to its epochs."""
    share = values.get(WARMUP, training.train_warmup_epochs / training.train_epochs)
    warmup = min(round(share * epochs), epochs - 1)
    quantizer = {QUANTIZER: values[QUANTIZER]} if QUANTIZER in values else {}
    return (_changed(training, {**values, "train_epochs": epochs, "train_warmup_epochs": warmup}),
            _changed(data, values), dataclasses.replace(genotype, space=genotype.space.replace(**quantizer)))


def _changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    names = {field.name for field in dataclasses.fields(settings)}
    return dataclasses.replace(settings, **{name: value for name, value in values.items() if name in names})


def architectures(space: SearchSpace) -> HyperParameters:
    """Widths, depths and primitives of a search space: the choices that the supernet searches over."""
    hp = HyperParameters()
    for stage in range(space.num_stages):
        hp.Choice(f"width_{stage}", list(map(float, space.width_choices)))
        hp.Choice(f"depth_{stage}", list(space.depths(stage)))
    for group in space.groups:
        for source, target in space.edges:
            hp.Choice(f"{group}/{source}-{target}", list(space.primitives))
    return hp


def genotype_of(space: SearchSpace, values: Mapping[str, Any]) -> Genotype:
    """The genotype of a space with these values of `architectures(space)`."""
    stages = range(space.num_stages)
    topologies = tuple(
        tuple(tuple((source, values[f"{group}/{source}-{target}"]) for source in range(target))
              for target in range(1, space.num_nodes + 1)) for group in space.groups)
    return Genotype(space, tuple(values[f"width_{s}"] for s in stages), tuple(values[f"depth_{s}"] for s in stages),
                    topologies)
