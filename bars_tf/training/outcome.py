"""From a genotype to the trained and tested network of a work directory, and its `summary.json`."""

from __future__ import annotations

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
from bars_tf.training.stages import teacher_of, train_stages

Trained = tuple[tf.keras.Model, dict[str, float]]  # a network, and the seconds of its stages


def finished(directory: Path, train_epochs: int) -> dict[str, Any] | None:
    """The content of `summary.json` where a training of as many epochs has come to its end, else None."""
    done = directory / "summary.json"
    earlier = read_json(done) if done.exists() else None
    return earlier if earlier and earlier.get("train_epochs") == train_epochs else None


def train_all(settings: TrainingSettings, run: RunSettings, images: ImageSplits, network: Genotype, directory: Path
              ) -> tuple[Trained, Trained | None]:
    """Trains the network through all its stages, and its backbone if the settings ask for that; on one device or under
    a strategy."""
    backbone = backbones.backbone(network.space) if settings.train_backbone else None
    teacher, seconds = teacher_of(settings, run, images, network, directory)
    other = train_stages(settings, run, images, backbone, directory / "backbone", teacher) if backbone else None
    model, own_seconds = train_stages(settings, run, images, network, directory, teacher)
    return (model, seconds | own_seconds), other


def train_and_test(settings: TrainingSettings, run: RunSettings, images: ImageSplits, network: Genotype,
                   directory: Path, budget: Mapping[str, float], **found: object) -> dict[str, Any]:
    """Trains on one device, or restores what several have trained, and tests.

    Writes `confusion.json`, `model.h5` and `summary.json`.

    Args:
        budget: limits by measure, for the summary.
        found: further entries of the summary.
    Returns:
        The content of `summary.json`.
    """
    (model, seconds), other = train_all(settings, run, images, network, directory)
    # The test images are looked at here, once, and nothing is chosen by them.
    confusion = np.zeros((images.num_classes, images.num_classes), int)
    test_accuracy, test_images = accuracy(model, images.test, images.settings.eval_batch_size, run.max_steps, "test",
                                          confusion)
    write_json(directory / "confusion.json", {"split": "test", "class_names": list(images.test.class_names),
                                              "counts": confusion.tolist()})
    cost = cost_at(network, images.image_shape, images.num_classes)
    if network.space.backbone and "reference" not in found:
        found |= compared_with_backbone(run, images, network, cost, other)
    is_float = settings.precision == "float"
    if not is_float:  # whose convolutions are not packed
        found["deployment"] = deployment.deployment_cost(network, images.image_shape, images.num_classes)._asdict()
    found |= {
        "test_accuracy": test_accuracy, "class_names": list(images.train.class_names), "test_images": test_images,
        "train_seconds": sum(seconds.values()), "stage_seconds": seconds}
    values = summary(settings, run, images, network, cost.as_float() if is_float else cost,
                     budget={} if is_float else dict(budget), **found)  # budgets are of binary networks
    (directory / "summary.json").unlink(missing_ok=True)  # of a shorter training, whose accuracy is not this model's
    save_model(model, directory / "model.h5")
    write_json(directory / "summary.json", values)
    return values


def summary(settings: TrainingSettings, run: RunSettings, images: ImageSplits, network: Genotype, cost: Cost,
            **found: Any) -> dict[str, Any]:
    """The content of `summary.json`: operations in multiply-accumulates, times in seconds."""
    return {
        "space": network.space.name, "dataset": images.settings.name, "seed": run.seed,
        "precision": settings.precision, "cost": cost.to_dict(), "search_accuracy": None, "search_seconds": None,
        "train_epochs": settings.train_epochs, **found, "split_sha256": images.train.sha256,
        "versions": environment.versions(), "machine": environment.machine(),
        "git_revision": environment.git_revision()}


def compared_with_backbone(run: RunSettings, images: ImageSplits, genotype: Genotype, cost: Cost,
                           backbone: Trained | None) -> dict[str, object]:
    """For `summary.json`: the cost of the backbone of a network, how much more the network costs, and the test accuracy
    of the backbone if it was trained."""
    base = cost_at(backbones.backbone(genotype.space), images.image_shape, images.num_classes)
    found: dict[str, object] = {"cost": base.to_dict()}
    if backbone:
        model, seconds = backbone
        found["test_accuracy"], _ = accuracy(model, images.test, images.settings.eval_batch_size, run.max_steps,
                                             "backbone")
        found["train_seconds"] = sum(seconds.values())
    return {"backbone": found, "overhead": overhead.overhead_of(cost, base)}
