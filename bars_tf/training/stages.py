"""The stages of a training: teacher, pre-training, and the training that gives the result (NASB).

Each has a directory of its own, goes on where it was stopped, and costs nothing once it is done.
"""

from __future__ import annotations

from pathlib import Path

from bars_tf.compare.baselines import Network
from bars_tf.config import TWIN, SearchConfig
from bars_tf.data.pipeline import ImageData
from bars_tf.errors import InputError
from bars_tf.legacy_keras import tf
from bars_tf.space import backbones
from bars_tf.training import fit as training
from bars_tf.training.evaluation import load_model
from bars_tf.training.fit import Stage


def train(config: SearchConfig, genotype: Network, train: ImageData, validation: ImageData, directory: Path,
          teacher: tf.keras.Model | None = None) -> tuple[tf.keras.Model, dict[str, float]]:
    """The trained network, and the seconds that each of its stages took."""
    pretrained, seconds = None, {}
    if config.pretrain_epochs:
        stage = Stage("pretrain", config.pretrain_epochs, "float_kernels")
        pretrained, seconds["pretrain"] = training.train_network(
            config, genotype, train, validation, directory, stage, teacher=teacher)
    network, seconds["train"] = training.train_network(
        config, genotype, train, validation, directory, begin_with=pretrained, teacher=teacher)
    return network, seconds


def teacher_of(config: SearchConfig, genotype: Network, train: ImageData, validation: ImageData, directory: Path
               ) -> tuple[tf.keras.Model | None, dict[str, float]]:
    """The teacher that `--teacher` asks for, and the seconds that its training took.

    Raises: InputError where a file holds no teacher for these images.
    """
    if config.teacher == TWIN:
        taught = backbones.backbone(genotype.space) if genotype.space.backbone else genotype
        model, seconds = training.train_network(config, taught, train, validation, directory,
                                                Stage("teacher", config.train_epochs, "float"))
        return model, {"teacher": seconds}
    return (read_teacher(config, train) if config.teacher else None), {}


def read_teacher(config: SearchConfig, train: ImageData) -> tf.keras.Model:
    """The model in the file of `--teacher`. Raises: InputError naming what does not fit."""
    model = load_model(config.teacher, "teacher")
    given, needed = (model.input_shape[1:], model.output_shape[-1]), (train.image_shape, train.num_classes)
    if given != needed:
        raise InputError.of("teacher", config.teacher, f"is for images {given[0]} of {given[1]} classes; "
                            f"{config.data_name} has {needed[0]} of {needed[1]}")
    last = model.layers[-1]
    while isinstance(last, tf.keras.Model):
        last = last.layers[-1]
    if getattr(getattr(last, "activation", None), "__name__", "linear") != "linear":
        raise InputError.of("teacher", config.teacher, "must end in logits, without an activation such as softmax")
    return model
