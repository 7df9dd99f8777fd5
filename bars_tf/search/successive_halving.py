"""The best candidates begin their training, and the better ones go on: successive halving on validation images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bars_tf import console as screen
from bars_tf.config import SearchConfig
from bars_tf.data.pipeline import ImageData
from bars_tf.files import discard_states
from bars_tf.legacy_keras import tf
from bars_tf.report import run as run_files
from bars_tf.search.derivation.candidates import Candidate
from bars_tf.training import fit as training
from bars_tf.training.fit import Stage


def play(config: SearchConfig, candidates: Sequence[Candidate], train: ImageData, validation: ImageData,
         directory: Path) -> tuple[list[Candidate], int, float]:
    """The candidates with the winner in front, its number in the given order, and the seconds that the others'
    trainings took, those of earlier starts included.

    All begin the training that the flags ask for; each `finalist_epochs` the better half by validation accuracy goes
    on. What the supernet tells of genotypes that it scored nearly alike is mostly noise: here they are told apart by
    what counts. (Short trainings of their own, whose rate falls to 0, would prefer networks that learn fast.) Goes on
    with the training at which it was stopped.
    """
    remaining, epochs, seconds = list(range(min(config.num_finalists, len(candidates)))), 0, {}
    while len(remaining) > 1:
        epochs, accuracies = min(epochs + config.finalist_epochs, config.train_epochs), {}
        for i in remaining:
            stage = Stage(_name(i), config.train_epochs, config.precision, epochs)
            _, seconds[i] = training.train_network(config, candidates[i].genotype, train, validation, directory, stage)
            tf.keras.backend.clear_session()
            accuracies[i] = run_files.read_log(directory / stage.name / "log.csv")[epochs - 1]["val_accuracy"]
        remaining = sorted(remaining, key=lambda i: -accuracies[i])[: len(remaining) // 2]
        screen.say(f"finals  after {epochs} epoch{'s' * (epochs > 1)} each: " + ", ".join(
            f"candidate {i} {accuracies[i]:.2%}{'' if i in remaining else ' (out)'}"
            for i in sorted(accuracies, key=lambda i: -accuracies[i])))
    winner = candidates[remaining[0]]
    return ([winner, *(c for c in candidates if c is not winner)], remaining[0],
            sum(seconds.values()) - seconds.get(remaining[0], 0.0))


def hand_over(directory: Path, winner: int) -> None:
    """Makes the training that the winner began that of the result, and removes what the others' need no longer."""
    begun, result = directory / _name(winner), directory / "train"
    if begun.exists() and not result.exists():
        begun.rename(result)
    discard_states(directory / "finals")


def _name(number: int) -> str:
    return f"finals/candidate_{number}"
