"""The best candidates, trained from scratch for a few epochs each: successive halving on validation images."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from bars_tf import run_files, screen, training
from bars_tf.config import SearchConfig
from bars_tf.data import ImageData
from bars_tf.derive import Candidate
from bars_tf.legacy_keras import tf
from bars_tf.training import Stage


def play(config: SearchConfig, candidates: Sequence[Candidate], train: ImageData, validation: ImageData,
         directory: Path) -> tuple[list[Candidate], float]:
    """The candidates with the winner in front, and the seconds of the trainings, those of earlier starts included.

    In each round the remaining ones are trained alike, for twice the epochs of the round before, and the better half by
    validation accuracy goes on. What the supernet tells of genotypes that it scored nearly alike is mostly noise: here
    they are told apart by what counts. Goes on with the training at which it was stopped.
    """
    remaining, epochs, seconds = list(range(min(config.num_finalists, len(candidates)))), config.finalist_epochs, 0.0
    while len(remaining) > 1:
        accuracies = {}
        for i in remaining:
            stage = Stage(f"finals/{epochs}_epochs_candidate_{i}", epochs, config.precision)
            _, took = training.train_network(config, candidates[i].genotype, train, validation, directory, stage)
            tf.keras.backend.clear_session()
            accuracies[i] = run_files.read_log(directory / stage.name / "log.csv")[-1]["val_accuracy"]
            seconds += took
        remaining = sorted(remaining, key=lambda i: -accuracies[i])[: len(remaining) // 2]
        screen.say(f"finals  after {epochs} epoch{'s' * (epochs > 1)} each: " + ", ".join(
            f"candidate {i} {accuracies[i]:.2%}{'' if i in remaining else ' (out)'}"
            for i in sorted(accuracies, key=lambda i: -accuracies[i])))
        epochs *= 2
    for path in (*directory.glob("finals/*/checkpoints"), *directory.glob("finals/*/best_model.h5")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    winner = candidates[remaining[0]]
    return [winner, *(c for c in candidates if c is not winner)], seconds
