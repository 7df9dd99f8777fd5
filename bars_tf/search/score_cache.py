"""The scores of candidates in a file, for a run that is stopped while it scores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from bars_tf.files import read_json, write_json
from bars_tf.search.derivation.candidates import Candidate
from bars_tf.space.genotype import Genotype
from bars_tf.training.progress import Progress


def candidate_row(candidate: Candidate) -> dict[str, Any]:
    """A candidate as JSON."""
    return {"origin": candidate.origin, "accuracy": candidate.accuracy, "loss": candidate.loss,
            "cost": candidate.cost.to_dict(), "genotype": candidate.genotype.to_dict()}


class ScoreCache:
    """The scores of candidates, kept in a file until all are scored: a stopped run resumes with the missing ones.

    Attributes:
        known: accuracy and loss of the genotypes that were scored.
        seconds_before: time that scoring took in earlier starts.
    """

    def __init__(self, path: Path):
        self.path, self._progress = path, None
        self._rows = read_json(path, max_bytes=2**30) if path.exists() else []
        self.seconds_before, self._last = sum(row.get("seconds", 0) for row in self._rows), time.monotonic()
        self.known = {Genotype.from_dict_of(path, row["genotype"]): (row["accuracy"], row["loss"])
                      for row in self._rows}

    def add(self, candidate: Candidate, number: int, total: int) -> None:
        """Keeps the score of candidate `number` of `total`, and shows the progress."""
        if number == 1:
            self._progress = None
        if candidate.genotype not in self.known:
            self.known[candidate.genotype] = candidate.accuracy, candidate.loss
            before, self._last = self._last, time.monotonic()
            self._rows.append({**candidate_row(candidate), "seconds": self._last - before})
            write_json(self.path, self._rows)
            if not self._progress:
                self._progress = Progress("derive", 1, total, ("accuracy",), (0, number - 1))
            self._progress.on_train_batch_end(number - 1 - self._progress.first[1], {"accuracy": candidate.accuracy})
        if number == total and self._progress:
            self._progress.on_epoch_end(0, {"accuracy": candidate.accuracy})
