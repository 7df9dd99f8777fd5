"""The end of a run: train and test the network, write the report, print the closing table."""

import os
from collections.abc import Callable
from pathlib import Path

from bars_tf import console
from bars_tf.config import RunSettings
from bars_tf.cost.budget import Budget
from bars_tf.data.splits import ImageSplits
from bars_tf.legacy_keras import tf
from bars_tf.report import page, tracking
from bars_tf.report.closing_table import print_closing_table
from bars_tf.report.run_files import MODEL
from bars_tf.space.genotype import Genotype
from bars_tf.training import distribution
from bars_tf.training.outcome import finished_summary, train_all, train_and_test
from bars_tf.training.settings import TrainingSettings


def finish(settings: TrainingSettings, run: RunSettings, images: ImageSplits, network: Genotype, directory: Path,
           strategy: tf.distribute.Strategy, budget: Budget, initial: tf.keras.Model | None = None, **found: object
           ) -> None:
    """Trains and tests, from random weights or those of `initial`. Writes `model.h5`, `summary.json` (with the limits
    by measure of `budget`, and the entries `found`) and the report; prints the closing table."""
    earlier = finished_summary(directory, settings.train_epochs)
    if earlier and (directory / MODEL).exists():
        if run.is_chief and not (directory / page.PAGE).exists():  # stopped in the very end
            _report(directory, run)
        print_closing_table(earlier, network, directory, os.environ)
        return
    if distribution.is_distributed(strategy):
        with strategy.scope():
            train_all(settings, run, images, network, directory, initial)
    if run.is_chief:
        summary = train_and_test(settings, run, images, network, directory, budget, initial, **found)
        _report(directory, run)
        print_closing_table(summary, network, directory, os.environ)
    distribution.barrier(strategy)


def _report(directory: Path, run: RunSettings) -> None:
    """Writes the report, and gives the run to trackers of experiments."""
    _try(f"no report ({{}}); bin/report --workdir={directory} tries again", page.write, directory)
    _try("no HParams for TensorBoard ({})", tracking.write_hparams, directory)
    if run.mlflow:
        _try(f"not logged to MLflow ({{}}); bin/report --workdir={directory} --mlflow tries again",
             tracking.log_to_mlflow, directory)


def _try(message: str, step: Callable[[Path], object], directory: Path) -> None:
    try:
        step(directory)
    except Exception as error:  # noqa: BLE001 - the result is there already
        console.say(message.replace("{}", f"{type(error).__name__}: {error}"))
