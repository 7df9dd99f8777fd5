"""The stages of a training: teacher, pre-training, and the training that gives the result (NASB).

Each stage has its own directory, resumes where it stopped, and is skipped once it is finished.
"""

from pathlib import Path

from bars_tf.config import RunSettings
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import InputError
from bars_tf.legacy_keras import tf
from bars_tf.network.model_files import load_model
from bars_tf.space import backbones
from bars_tf.space.genotype import Genotype
from bars_tf.training.fit import Stage, train_network
from bars_tf.training.settings import TWIN, TrainingSettings


def train_stages(settings: TrainingSettings, run: RunSettings, images: ImageSplits, genotype: Genotype,
                 directory: Path, teacher: tf.keras.Model | None = None) -> tuple[tf.keras.Model, dict[str, float]]:
    """Trains a network: a pre-training with float kernels if the settings ask for it, then the training.

    Returns:
        The network, and the seconds of each stage.
    """
    pretrained, seconds = None, {}
    if settings.pretrain_epochs:
        stage = Stage("pretrain", settings.pretrain_epochs, "float_kernels")
        pretrained, seconds["pretrain"] = train_network(
            settings, run, images, genotype, directory, stage, teacher=teacher)
    network, seconds["train"] = train_network(
        settings, run, images, genotype, directory, initial=pretrained, teacher=teacher)
    return network, seconds


def get_teacher(settings: TrainingSettings, run: RunSettings, images: ImageSplits, genotype: Genotype, directory: Path
                ) -> tuple[tf.keras.Model | None, dict[str, float]]:
    """Trains or reads the teacher that the settings ask for.

    Returns:
        The teacher or None, and the seconds of its training.
    Raises: InputError: the file of the teacher does not fit these images.
    """
    if settings.teacher == TWIN:
        twin = backbones.backbone(genotype.space) if genotype.space.backbone else genotype
        model, seconds = train_network(settings, run, images, twin, directory,
                                       Stage("teacher", settings.train_epochs, "float"))
        return model, {"teacher": seconds}
    return (read_teacher(settings.teacher, images) if settings.teacher else None), {}


def check_teacher(settings: TrainingSettings, images: ImageSplits) -> None:
    """Raises an InputError if the file of the teacher does not fit the images."""
    if settings.teacher and settings.teacher != TWIN:
        read_teacher(settings.teacher, images)


def read_teacher(path: str, images: ImageSplits) -> tf.keras.Model:
    """Reads the model of a teacher.

    Raises: InputError if its inputs or outputs do not fit the images, or it does not end in logits.
    """
    model = load_model(path, "teacher")
    given, needed = (model.input_shape[1:], model.output_shape[-1]), (images.image_shape, images.num_classes)
    if given != needed:
        raise InputError.of("teacher", path, f"is for images {given[0]} of {given[1]} classes; "
                            f"{images.settings.name} has {needed[0]} of {needed[1]}")
    last = model.layers[-1]
    while isinstance(last, tf.keras.Model):
        last = last.layers[-1]
    if getattr(getattr(last, "activation", None), "__name__", "linear") != "linear":
        raise InputError.of("teacher", path, "must end in logits, without an activation such as softmax")
    return model
