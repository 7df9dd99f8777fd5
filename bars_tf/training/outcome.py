"""Trains and tests the network of a genotype in a work directory, and writes its `summary.json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bars_tf.config import RunSettings
from bars_tf.cost import deployment, overhead
from bars_tf.cost.measures import Cost
from bars_tf.cost.tables import cost_at
from bars_tf.data.splits import ImageSplits
from bars_tf.files import read_json, write_json
from bars_tf.legacy_keras import tf
from bars_tf.network.model_files import save_model
from bars_tf.space import backbones
from bars_tf.space.genotype import Genotype
from bars_tf.training import environment
from bars_tf.training.evaluation import accuracy
from bars_tf.training.settings import TrainingSettings
from bars_tf.training.stages import get_teacher, train_stages

Trained = tuple[tf.keras.Model, dict[str, float]]  # the network, and the seconds of its stages


def finished_summary(directory: Path, train_epochs: int) -> dict[str, Any] | None:
    """The content of `summary.json` if a training of `train_epochs` is finished, else None."""
    done = directory / "summary.json"
    earlier = read_json(done) if done.exists() else None
    return earlier if earlier and earlier.get("train_epochs") == train_epochs else None


def train_all(settings: TrainingSettings, run: RunSettings, images: ImageSplits, network: Genotype, directory: Path
              ) -> tuple[Trained, Trained | None]:
    """Trains a network through all stages, and the backbone of its space if the settings ask for it.

    Returns:
        The network, and the backbone or None.
    """
    backbone = backbones.backbone(network.space) if settings.train_backbone else None
    teacher, seconds = get_teacher(settings, run, images, network, directory)
    other = train_stages(settings, run, images, backbone, directory / "backbone", teacher) if backbone else None
    model, own_seconds = train_stages(settings, run, images, network, directory, teacher)
    return (model, seconds | own_seconds), other


def train_and_test(settings: TrainingSettings, run: RunSettings, images: ImageSplits, network: Genotype,
                   directory: Path, budget: Mapping[str, float], **found: object) -> dict[str, Any]:
    """Trains a network on one device, or restores a finished training of several, and tests it.

    Writes `confusion.json`, `model.h5` and `summary.json`.

    Args:
        budget: limit of each measure, for the summary.
        found: further entries of the summary.
    Returns:
        The content of `summary.json`.
    """
    (model, seconds), other = train_all(settings, run, images, network, directory)
    # The only use of the test images: no choice depends on them.
    confusion = np.zeros((images.num_classes, images.num_classes), int)
    test_accuracy, test_images = accuracy(model, images.test, images.settings.eval_batch_size, run.max_steps, "test",
                                          confusion)
    write_json(directory / "confusion.json", {"split": "test", "class_names": list(images.test.class_names),
                                              "counts": confusion.tolist()})
    cost = cost_at(network, images.image_shape, images.num_classes)
    if network.space.backbone and "reference" not in found:
        found |= backbone_comparison(run, images, network, cost, other)
    is_float = settings.precision == "float"
    if not is_float:  # only binary kernels are packed
        found["deployment"] = deployment.deployment_cost(network, images.image_shape, images.num_classes)._asdict()
    found |= {
        "test_accuracy": test_accuracy, "class_names": list(images.train.class_names), "test_images": test_images,
        "train_seconds": sum(seconds.values()), "stage_seconds": seconds}
    values = summary(settings, run, images, network, cost.as_float() if is_float else cost,
                     budget={} if is_float else dict(budget), **found)  # budgets apply to binary networks
    (directory / "summary.json").unlink(missing_ok=True)  # a shorter training left the accuracy of another model there
    save_model(model, directory / "model.h5")
    write_json(directory / "summary.json", values)
    return values


def summary(settings: TrainingSettings, run: RunSettings, images: ImageSplits, network: Genotype, cost: Cost,
            **found: Any) -> dict[str, Any]:
    """The content of `summary.json`, with costs in multiply-accumulates and times in seconds."""
    return {
        "space": network.space.name, "dataset": images.settings.name, "seed": run.seed,
        "precision": settings.precision, "cost": cost.to_dict(), "search_accuracy": None, "search_seconds": None,
        "train_epochs": settings.train_epochs, **found, "split_sha256": images.train.sha256,
        "versions": environment.versions(), "machine": environment.machine(),
        "git_revision": environment.git_revision()}


def backbone_comparison(run: RunSettings, images: ImageSplits, genotype: Genotype, cost: Cost,
                        backbone: Trained | None) -> dict[str, object]:
    """Compares a network of the given cost with the backbone of its space, for `summary.json`.

    Returns:
        The cost of the backbone with its test accuracy, if it was trained, and the overhead of the network.
    """
    base = cost_at(backbones.backbone(genotype.space), images.image_shape, images.num_classes)
    found: dict[str, object] = {"cost": base.to_dict()}
    if backbone:
        model, seconds = backbone
        found["test_accuracy"], _ = accuracy(model, images.test, images.settings.eval_batch_size, run.max_steps,
                                             "backbone")
        found["train_seconds"] = sum(seconds.values())
    return {"backbone": found, "overhead": overhead.overhead_of(cost, base)}
