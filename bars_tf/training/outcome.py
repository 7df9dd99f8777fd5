"""`bin/train`: trains and evaluates the network of a genotype, or a reference network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from bars_tf import console as screen
from bars_tf.cli import workdir
from bars_tf.compare import baselines as references
from bars_tf.compare.baselines import Network
from bars_tf.config import TWIN, SearchConfig, budget_flag
from bars_tf.cost import deployment, overhead
from bars_tf.cost import tables as complexity
from bars_tf.data.pipeline import ImageData
from bars_tf.errors import InputError, as_text, blame
from bars_tf.files import read_json, save_model, write_json
from bars_tf.legacy_keras import tf
from bars_tf.report import closing_table as results
from bars_tf.report import page as report
from bars_tf.space import backbones
from bars_tf.space.genotype import Genotype
from bars_tf.training import distribution, stages
from bars_tf.training import fit as training
from bars_tf.training.evaluation import accuracy


def main(config: SearchConfig) -> int:
    genotype = training.read_genotype(config) if config.genotype else None
    directory = workdir.claim(config, "train")
    trained = directory / "genotype.json"
    if genotype and trained.exists() and Genotype.load(trained) != genotype:
        raise InputError.of("workdir", config.workdir, f"trains another genotype than --genotype={config.genotype}; "
                            "choose another directory")
    strategy = training.start(config)
    train, validation, test = training.load_data(config)
    with blame("network", config.network):
        network = genotype or references.make(config.network, config.search_space, budget(config, train),
                                              train.image_shape, train.num_classes)
    training.read(train, test)
    training.steps_of(config, "train_batch_size", train)
    training.check_shares(config, strategy, validation, "train_batch_size")
    check_teacher(config, train)
    if genotype and config.train_backbone and not genotype.space.backbone:
        raise InputError.of("train_backbone", config.train_backbone, "the network of --genotype has no backbone")
    if isinstance(network, Genotype):
        with blame("genotype" if genotype else "network", config.genotype or config.network):
            network.space.check_image(train.image_shape)
    if genotype:
        _tell_excess(config, genotype, train)
    workdir.keep(config, "train", train.sha256)
    if workdir.is_chief(config) and isinstance(network, Genotype):
        network.save(trained, train.image_shape, train.num_classes)
    finish(config, network, train, validation, test, directory, strategy,
           **({"reference": config.network, "budget": budget(config, train).limits()} if config.network else {}))
    return 0


def _tell_excess(config: SearchConfig, genotype: Genotype, train: ImageData) -> None:
    """Says which limits the network of `--genotype` passes: it is trained all the same."""
    cost = references.cost(genotype, train.image_shape, train.num_classes)
    for name, limit in config.budget.passed(cost).items():
        screen.say(f"note: the network of --genotype has {getattr(cost, name):,.0f} {name}, above "
                   f"--{budget_flag(name)}={as_text(limit)}")


def budget(config: SearchConfig, train: ImageData) -> complexity.Budget:
    """The limits that the flags set for these images."""
    tables = complexity.cost_tables(config.search_space, train.image_shape, train.num_classes)
    return overhead.budget(config.budget, config.max_overhead, tables)


def finish(config: SearchConfig, network: Network, train: ImageData, validation: ImageData, test: ImageData,
           directory: Path, strategy: tf.distribute.Strategy, **found: object) -> None:
    """Trains and evaluates, writes `model.h5` and `summary.json`, prints the closing table. `found`: of the search."""
    earlier = finished(config, directory)
    if earlier and (directory / "model.h5").exists():
        if workdir.is_chief(config) and not (directory / report.PAGE).exists():  # stopped in the very end
            _report(directory)
        results.print_closing_table(earlier, network, directory, os.environ)
        return
    if distribution.is_shared(strategy):
        with strategy.scope():
            trained(config, network, train, validation, directory)
    if workdir.is_chief(config):
        summary = train_and_test(config, network, train, validation, test, directory, **found)
        _report(directory)
        results.print_closing_table(summary, network, directory, os.environ)
    distribution.wait_for_all(strategy)


def _report(directory: Path) -> None:
    try:
        report.write(directory)
    except (OSError, ValueError) as error:  # all else is done
        screen.say(f"no report: {error}")


def finished(config: SearchConfig, directory: Path) -> dict[str, Any] | None:
    """What `summary.json` says where a training of as many epochs has come to its end."""
    done = directory / "summary.json"
    earlier = read_json(done) if done.exists() else None
    return earlier if earlier and earlier.get("train_epochs") == config.train_epochs else None


Trained = tuple[tf.keras.Model, dict[str, float]]  # a network, and the seconds of its stages


def trained(config: SearchConfig, network: Network, train: ImageData, validation: ImageData, directory: Path
            ) -> tuple[Trained, Trained | None]:
    """The network through all its stages, and its backbone if that is asked for; on one device or under a strategy."""
    # A reference is what others are compared with.
    backbone = backbones.backbone(network.space) if config.train_backbone and not config.network else None
    teacher, seconds = stages.teacher_of(config, network, train, validation, directory)
    other = stages.train(config, backbone, train, validation, directory / "backbone", teacher) if backbone else None
    model, own_seconds = stages.train(config, network, train, validation, directory, teacher)
    return (model, seconds | own_seconds), other


def train_and_test(config: SearchConfig, network: Network, train: ImageData, validation: ImageData, test: ImageData,
                   directory: Path, **found: object) -> dict[str, Any]:
    """Trains on one device, or restores what several have trained; writes `confusion.json`, `model.h5` and
    `summary.json`, which it returns."""
    (model, seconds), other = trained(config, network, train, validation, directory)
    # The test images are looked at here, once, and nothing is chosen by them.
    confusion = np.zeros((test.num_classes, test.num_classes), int)
    test_accuracy, test_images = accuracy(model, test, config.eval_batch_size, config.max_steps, "test", confusion)
    write_json(directory / "confusion.json", {"split": "test", "class_names": list(test.class_names),
                                              "counts": confusion.tolist()})
    cost = references.cost(network, train.image_shape, train.num_classes)
    if isinstance(network, Genotype) and network.space.backbone and not config.network:
        found |= compared(config, network, cost, train, other, test)
    is_float = config.precision == "float"
    if not is_float:  # whose convolutions are not packed
        found["deployment"] = deployment.cost(network, train.image_shape, train.num_classes)._asdict()
    summary = results.summary(
        config, network, cost.as_float() if is_float else cost, train.sha256, training.devices(),
        test_accuracy=test_accuracy, class_names=list(train.class_names), test_images=test_images,
        train_seconds=sum(seconds.values()), stage_seconds=seconds, **found)
    (directory / "summary.json").unlink(missing_ok=True)  # of a shorter training, whose accuracy is not this model's
    save_model(model, directory / "model.h5")
    write_json(directory / "summary.json", summary)
    return summary


def compared(config: SearchConfig, genotype: Genotype, cost: complexity.Cost, train: ImageData,
             backbone: Trained | None, test: ImageData) -> dict[str, object]:
    """For `summary.json`: what the backbone of a network costs, how much more the network does, and the backbone's test
    accuracy if it was trained."""
    base = references.cost(backbones.backbone(genotype.space), train.image_shape, train.num_classes)
    found: dict[str, object] = {"cost": base.to_dict()}
    if backbone:
        model, seconds = backbone
        found["test_accuracy"], _ = accuracy(model, test, config.eval_batch_size, config.max_steps, "backbone")
        found["train_seconds"] = sum(seconds.values())
    return {"backbone": found, "overhead": overhead.of(cost, base)}


def check_teacher(config: SearchConfig, train: ImageData) -> None:
    """Refuses a teacher that does not fit, before any work."""
    if config.teacher and config.teacher != TWIN:
        stages.read_teacher(config, train)
