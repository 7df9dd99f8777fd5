"""`bin/train`: trains and evaluates the network of a genotype."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bars_tf import complexity, distribution, overhead, report, results, screen, stages, training, workdir
from bars_tf.config import TWIN, InputError, SearchConfig
from bars_tf.data import ImageData
from bars_tf.evaluate import accuracy
from bars_tf.files import save_model
from bars_tf.genotype import Genotype, read_json, write_json
from bars_tf.legacy_keras import tf


def main(config: SearchConfig) -> int:
    genotype = training.read_genotype(config)
    directory = workdir.claim(config, "train")
    trained = directory / "genotype.json"
    if trained.exists() and Genotype.load(trained) != genotype:
        raise InputError.of("workdir", config.workdir, f"trains another genotype than --genotype={config.genotype}; "
                            "choose another directory")
    strategy = training.start(config)
    train, validation, test = training.load_data(config)
    training.read(train, test)
    training.check_shares(config, strategy, "train_batch_size")
    check_teacher(config, train)
    if config.train_backbone and not genotype.space.backbone:
        raise InputError.of("train_backbone", config.train_backbone, "the network of --genotype has no backbone")
    if workdir.is_chief(config):
        genotype.save(directory / "genotype.json", train.image_shape, train.num_classes)
    finish(config, genotype, train, validation, test, directory, strategy)
    return 0


def finish(config: SearchConfig, genotype: Genotype, train: ImageData, validation: ImageData, test: ImageData,
           directory: Path, strategy: tf.distribute.Strategy, **found: object) -> None:
    """Trains and evaluates, writes `model.h5` and `summary.json`, prints the closing table. `found`: of the search."""
    done = directory / "summary.json"
    earlier = read_json(done) if done.exists() and (directory / "model.h5").exists() else None
    if earlier and earlier.get("train_epochs") == config.train_epochs:
        results.print_closing_table(earlier, genotype, directory, os.environ)
        return
    backbone = overhead.backbone(genotype.space) if config.train_backbone else None

    def trained():
        teacher, seconds = stages.teacher_of(config, genotype, train, validation, directory)
        other = stages.train(config, backbone, train, validation, directory / "backbone", teacher) if backbone else None
        model, own_seconds = stages.train(config, genotype, train, validation, directory, teacher)
        return model, seconds | own_seconds, other

    if distribution.is_shared(strategy):
        with strategy.scope():
            trained()
    if workdir.is_chief(config):
        model, seconds, other = trained()  # or restored on one device
        save_model(model, directory / "model.h5")
        # The test images are looked at here, once, and nothing is chosen by them.
        confusion = np.zeros((test.num_classes, test.num_classes), int)
        test_accuracy, test_images = accuracy(model, test, config.eval_batch_size, config.max_steps, "test", confusion)
        write_json(directory / "confusion.json", {"split": "test", "class_names": list(test.class_names),
                                                  "counts": confusion.tolist()})
        tables = complexity.cost_tables(genotype.space, train.image_shape, train.num_classes)
        if genotype.space.backbone:
            found |= compared(config, genotype, tables, other, test)
        cost = complexity.cost(genotype, tables)
        cost = cost.as_float() if config.precision == "float" else cost
        summary = results.summary(
            config, genotype, cost, train.sha256, training.devices(),
            test_accuracy=test_accuracy, class_names=list(train.class_names), test_images=test_images,
            train_seconds=sum(seconds.values()), stage_seconds=seconds, **found)
        write_json(done, summary)
        try:
            report.write(directory)
        except (OSError, ValueError) as error:  # all else is done
            screen.say(f"no report: {error}")
        results.print_closing_table(summary, genotype, directory, os.environ)
    distribution.wait_for_all(strategy)


def compared(config: SearchConfig, genotype: Genotype, tables: complexity.CostTables,
             trained: tuple[tf.keras.Model, dict[str, float]] | None, test: ImageData) -> dict[str, object]:
    """For `summary.json`: what the backbone of a network costs, how much more the network does, and the backbone's test
    accuracy if it was trained."""
    base = complexity.cost(overhead.backbone(genotype.space), tables)
    found: dict[str, object] = {"cost": base.to_dict()}
    if trained:
        model, seconds = trained
        found["test_accuracy"], _ = accuracy(model, test, config.eval_batch_size, config.max_steps, "backbone")
        found["train_seconds"] = sum(seconds.values())
    return {"backbone": found, "overhead": overhead.of(complexity.cost(genotype, tables), base)}


def check_teacher(config: SearchConfig, train: ImageData) -> None:
    """Refuses a teacher that does not fit, before any work."""
    if config.teacher and config.teacher != TWIN:
        stages.read_teacher(config, train)
