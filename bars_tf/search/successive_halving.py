"""Successive halving: the best candidates start training, and the better half continues."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bars_tf import console
from bars_tf.files import discard_states
from bars_tf.legacy_keras import tf
from bars_tf.report.run_files import read_log
from bars_tf.search.derivation.candidates import Candidate
from bars_tf.search.task import Search
from bars_tf.training.fit import Stage, train_network


def run_halving(search: Search, candidates: Sequence[Candidate]) -> tuple[list[Candidate], int, float]:
    """Trains the first `num_finalists` candidates; every `finalist_epochs` the better half by validation accuracy
    continues, until one is left. Resumes the training at which it was stopped.

    Supernet scores of candidates that differ little are mostly noise, which their training is not. The trainings are
    the beginning of full ones: short ones, whose learning rate falls to 0, would prefer networks that learn fast.

    Returns the candidates with the winner in front, its index in the given order, and the seconds that the other
    trainings took, those of earlier starts included.
    """
    settings, training = search.settings, search.training
    remaining, epochs, seconds = list(range(min(settings.num_finalists, len(candidates)))), 0, {}
    while len(remaining) > 1:
        epochs, accuracies = min(epochs + settings.finalist_epochs, training.train_epochs), {}
        for i in remaining:
            stage = Stage(_name(i), training.train_epochs, training.precision, epochs)
            _, seconds[i] = train_network(training, search.run, search.images, candidates[i].genotype, search.directory,
                                          stage)
            tf.keras.backend.clear_session()
            accuracies[i] = read_log(search.directory / stage.name / "log.csv")[epochs - 1]["val_accuracy"]
        remaining = sorted(remaining, key=lambda i: -accuracies[i])[: len(remaining) // 2]
        console.say(f"finals  after {epochs} epoch{'s' * (epochs > 1)} each: " + ", ".join(
            f"candidate {i} {accuracies[i]:.2%}{'' if i in remaining else ' (out)'}"
            for i in sorted(accuracies, key=lambda i: -accuracies[i])))
    winner = candidates[remaining[0]]
    return ([winner, *(c for c in candidates if c is not winner)], remaining[0],
            sum(seconds.values()) - seconds.get(remaining[0], 0.0))


def promote(directory: Path, winner: int) -> None:
    """Makes the training of the winner that of the result, and removes the states of the other trainings."""
    begun, result = directory / _name(winner), directory / "train"
    if begun.exists() and not result.exists():
        begun.rename(result)
    discard_states(directory / "finals")


def _name(number: int) -> str:
    return f"finals/candidate_{number}"
