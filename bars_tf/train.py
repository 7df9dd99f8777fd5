"""`bin/train`: trains and evaluates the network of a genotype."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bars_tf import complexity, distribution, report, results, screen, training, workdir
from bars_tf.config import InputError, SearchConfig
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
    if distribution.is_shared(strategy):
        with strategy.scope():
            training.train_network(config, genotype, train, validation, directory)
    if workdir.is_chief(config):
        # Trained here, or restored on one device.
        model, seconds = training.train_network(config, genotype, train, validation, directory)
        save_model(model, directory / "model.h5")
        # The test images are looked at here, once, and nothing is chosen by them.
        confusion = np.zeros((test.num_classes, test.num_classes), int)
        test_accuracy, test_images = accuracy(model, test, config.eval_batch_size, config.max_steps, "test", confusion)
        write_json(directory / "confusion.json", {"split": "test", "class_names": list(test.class_names),
                                                  "counts": confusion.tolist()})
        tables = complexity.cost_tables(genotype.space, train.image_shape, train.num_classes)
        cost = complexity.cost(genotype, tables)
        cost = cost.as_float() if config.precision == "float" else cost
        summary = results.summary(
            config, genotype, cost, train.sha256, training.devices(),
            test_accuracy=test_accuracy, class_names=list(train.class_names), test_images=test_images,
            train_seconds=seconds, **found)
        write_json(done, summary)
        try:
            report.write(directory)
        except (OSError, ValueError) as error:  # all else is done
            screen.say(f"no report: {error}")
        results.print_closing_table(summary, genotype, directory, os.environ)
    distribution.wait_for_all(strategy)
