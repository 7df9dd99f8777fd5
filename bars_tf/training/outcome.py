"""Trains the network of a genotype in stages, tests it, and writes its `summary.json`.

The stages are teacher, pre-training, and the training that gives the result (NASB). Each has its own directory, resumes
where it stopped, and is skipped once it is finished.
"""

from pathlib import Path
from typing import Any

import numpy as np

from bars_tf.config import RunSettings
from bars_tf.cost import deployment, overhead
from bars_tf.cost.budget import Budget
from bars_tf.cost.device import Device
from bars_tf.cost.measures import Cost
from bars_tf.cost.tables import cost_at
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import InputError
from bars_tf.files import read_json, write_json
from bars_tf.legacy_keras import tf
from bars_tf.network.model_files import load_model, save_model
from bars_tf.space import backbones
from bars_tf.space.genotype import Genotype
from bars_tf.training import environment, evaluation, fit
from bars_tf.training.settings import TWIN, TrainingSettings

Trained = tuple[tf.keras.Model, dict[str, float]]  # the network, and the seconds of its stages


def finished_summary(directory: Path, train_epochs: int) -> dict[str, Any] | None:
    """The content of `summary.json` if a training of `train_epochs` is finished, else None."""
    done = directory / "summary.json"
    earlier = read_json(done) if done.exists() else None
    return earlier if earlier and earlier.get("train_epochs") == train_epochs else None


def train_stages(settings: TrainingSettings, run: RunSettings, images: ImageSplits, genotype: Genotype,
                 directory: Path, teacher: tf.keras.Model | None = None, initial: tf.keras.Model | None = None
                 ) -> tuple[tf.keras.Model, dict[str, float]]:
    """Trains a network, first with float kernels if the settings ask for it; returns it and the seconds by stage."""
    seconds = {}
    if settings.pretrain_epochs:
        stage = fit.Stage("pretrain", settings.pretrain_epochs, "float_kernels")
        initial, seconds["pretrain"] = fit.train_network(
            settings, run, images, genotype, directory, stage, initial, teacher)
    network, seconds["train"] = fit.train_network(
        settings, run, images, genotype, directory, initial=initial, teacher=teacher)
    return network, seconds


def read_teacher(settings: TrainingSettings, images: ImageSplits) -> tf.keras.Model | None:
    """Reads the teacher, if it is one of a file.

    Raises: InputError if its inputs or outputs do not fit the images, or it does not end in logits.
    """
    path = settings.teacher
    if path in (None, TWIN):
        return None
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


def train_all(settings: TrainingSettings, run: RunSettings, images: ImageSplits, network: Genotype, directory: Path,
              initial: tf.keras.Model | None = None) -> tuple[Trained, Trained | None]:
    """Trains a network through all stages, from the weights of `initial` or random ones, and the backbone of its space
    if the settings ask for it (else None)."""
    backbone = backbones.backbone(network.space) if settings.train_backbone else None
    if settings.teacher == TWIN:
        twin, seconds = backbones.backbone(network.space) if network.space.backbone else network, {}
        teacher, seconds["teacher"] = fit.train_network(settings, run, images, twin, directory,
                                                        fit.Stage("teacher", settings.train_epochs, "float"))
    else:
        teacher, seconds = read_teacher(settings, images), {}
    other = train_stages(settings, run, images, backbone, directory / "backbone", teacher) if backbone else None
    model, own_seconds = train_stages(settings, run, images, network, directory, teacher, initial)
    return (model, seconds | own_seconds), other


def train_and_test(settings: TrainingSettings, run: RunSettings, images: ImageSplits, network: Genotype,
                   directory: Path, budget: Budget, initial: tf.keras.Model | None = None, **found: object
                   ) -> dict[str, Any]:
    """Trains a network on one device, or restores a finished training of several, and tests it.

    Writes `confusion.json`, `model.h5` and `summary.json`, whose content it returns: costs in multiply-accumulates,
    times in seconds, limits and device of `budget` and the further entries `found`.
    """
    (model, seconds), other = train_all(settings, run, images, network, directory, initial)
    # The only use of the test images: no choice depends on them.
    confusion = np.zeros((images.num_classes, images.num_classes), int)
    test_accuracy, test_images = evaluation.accuracy(model, images.test, images.settings.eval_batch_size,
                                                     run.max_steps, "test", confusion)
    write_json(directory / "confusion.json", {"split": "test", "class_names": list(images.test.class_names),
                                              "counts": confusion.tolist()})
    cost = cost_at(network, images.image_shape, images.num_classes, budget.device)
    if network.space.backbone and "reference" not in found:
        found |= backbone_comparison(run, images, network, cost, other, budget.device)
    if is_float := settings.precision == "float":
        cost = cost.as_float()
    else:  # only binary kernels are packed
        found["deployment"] = deployment.deployment_cost(network, images.image_shape, images.num_classes)._asdict()
        found |= {"device": budget.device.name} if budget.device else {}
    values = {
        "space": network.space.name, "dataset": images.settings.name, "seed": run.seed,
        "precision": settings.precision, "cost": cost.to_dict(), "search_accuracy": None, "search_seconds": None,
        "train_epochs": settings.train_epochs, "budget": {} if is_float else budget.limits(),  # of binary networks
        **found, "test_accuracy": test_accuracy, **evaluation.by_class(confusion),
        "class_names": list(images.train.class_names), "test_images": test_images,
        "train_seconds": sum(seconds.values()), "stage_seconds": seconds,
        "split_sha256": images.train.sha256, "versions": environment.versions(), "machine": environment.machine(),
        "git_revision": environment.git_revision()}
    (directory / "summary.json").unlink(missing_ok=True)  # a shorter training left the accuracy of another model there
    save_model(model, directory / "model.h5")
    write_json(directory / "summary.json", values)
    return values


def backbone_comparison(run: RunSettings, images: ImageSplits, genotype: Genotype, cost: Cost,
                        backbone: Trained | None, device: Device | None) -> dict[str, object]:
    """Returns for `summary.json` the cost of the backbone of a network's space, its test accuracy if it was trained,
    and the overhead of the network, of the given cost."""
    base = cost_at(backbones.backbone(genotype.space), images.image_shape, images.num_classes, device)
    found: dict[str, object] = {"cost": base.to_dict()}
    if backbone:
        model, seconds = backbone
        found["test_accuracy"], _ = evaluation.accuracy(model, images.test, images.settings.eval_batch_size,
                                                        run.max_steps, "backbone")
        found["train_seconds"] = sum(seconds.values())
    return {"backbone": found, "overhead": overhead.overhead_of(cost, base)}
