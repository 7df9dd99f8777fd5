"""How good a genotype is by the weights of the supernet, and the ranking of candidates by that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import NEARLY_ALL, Budget
from bars_tf.legacy_keras import tf
from bars_tf.search.derivation import candidates as derive
from bars_tf.search.derivation import evolution
from bars_tf.space.genotype import Genotype

if TYPE_CHECKING:
    from bars_tf.search.supernet.supernet import Supernet

CALIBRATION_BATCHES = 8


class Scorer:
    """Scores genotypes by a supernet, which it leaves as it was. Traced once, for all genotypes."""

    def __init__(self, supernet: Supernet):
        self.supernet = supernet
        self._traced = None
        self._statistics = [layer.moving for layer in supernet.layers_by_name.values() if hasattr(layer, "moving")]

    def score(self, genotype: Genotype, batches: Iterable) -> tuple[float, float]:
        """Accuracy and loss of the supernet as `genotype` on (images, labels), with batch-norm statistics recalibrated
        on the first `CALIBRATION_BATCHES`."""
        choices = self.supernet.choices_of(genotype)
        before = [v.numpy() for v in self._statistics]
        self._traced = self._traced or self._trace(*next(iter(batches)), choices)
        calibrate, score = self._traced
        correct = loss = total = 0.0
        try:
            for i, (images, _) in enumerate(batches):
                if i == CALIBRATION_BATCHES:
                    break
                calibrate(images, choices, tf.constant(1.0 / (i + 1), self.supernet.compute_dtype))
            for images, labels in batches:
                batch_correct, batch_loss = score(images, labels, choices)
                correct, loss, total = correct + float(batch_correct), loss + float(batch_loss), total + len(images)
        finally:  # after an interrupt too: in a notebook the supernet lives on
            for variable, value in zip(self._statistics, before):
                variable.assign(value)
        return correct / total, loss / total

    def _trace(self, images, labels, choices):
        """`_calibrate` and `_score` for batches of any size. Traced for that of the first, both would be traced again
        for the last."""
        images, labels = (tf.TensorSpec((None, *t.shape[1:]), t.dtype) for t in (images, labels))
        choices = tf.nest.map_structure(tf.TensorSpec.from_tensor, choices)
        rate = tf.TensorSpec((), self.supernet.compute_dtype)
        return (tf.function(self._calibrate, autograph=False).get_concrete_function(images, choices, rate),
                tf.function(self._score, autograph=False).get_concrete_function(images, labels, choices))

    def _calibrate(self, images, choices, rate):
        self.supernet(images, choices, mode="calibrate", rate=rate)

    def _score(self, images, labels, choices):
        logits = self.supernet(images, choices)
        labels = tf.reshape(labels, [-1])
        losses = tf.keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        hits = tf.argmax(logits, -1, output_type=tf.int32) == tf.cast(labels, tf.int32)
        return tf.reduce_sum(tf.cast(hits, tf.float32)), tf.reduce_sum(losses)


def rank(supernet: Supernet, batches: Iterable, num_samples: int = 8,
         progress: Callable[[derive.Candidate, int, int], None] | None = None,
         known: Mapping[Genotype, tuple[float, float]] | None = None, num_evolved: int = 0,
         budget: Budget | None = None, relatives: Iterable[Genotype] = (),
         scorer: Scorer | None = None) -> list[derive.Candidate]:
    """Candidates within the budget with their scores, the best first: the most probable genotype, `num_samples` sampled
    ones, and `num_evolved` that evolution makes of these. Behind all others are those that do not take `NEARLY_ALL` of
    the budget.

    Args:
        progress: called with each scored candidate, its number from 1, and how many there are.
        known: accuracy and loss of genotypes that were scored before.
        budget: None: that of the supernet.
        relatives: genotypes of smaller budgets, which are filled up to this one and scored too.
        scorer: of this supernet, to save tracing it again.
    """
    budget, tables, known = budget or supernet.budget, supernet.tables, known or {}
    rng = np.random.default_rng([supernet.seed, 1])
    alphas = supernet.alphas()
    candidates = derive.candidates(alphas, tables, budget, num_samples, supernet.seed)
    for genotype in relatives:
        grown = derive.filled(genotype, alphas, tables, budget)
        if grown.built() not in [c.genotype.built() for c in candidates]:
            candidates.append(derive.Candidate(grown, complexity.cost(grown, tables), "grown"))
    scorer, scored = scorer or Scorer(supernet), []

    def score(candidate):
        accuracy, loss = known.get(candidate.genotype) or scorer.score(candidate.genotype, batches)
        scored.append(candidate._replace(accuracy=accuracy, loss=loss))
        if progress:
            progress(scored[-1], len(scored), len(candidates) + num_evolved)

    def order(candidate):
        return budget.used(candidate.cost) < NEARLY_ALL, -candidate.accuracy, candidate.loss

    for candidate in candidates:
        score(candidate)
    for _ in range(num_evolved):
        best = sorted(scored, key=order)
        found = evolution.child([c.genotype for c in best], {c.genotype for c in best}, tables, budget, rng)
        if found is None:
            break
        score(derive.Candidate(found, complexity.cost(found, tables), "evolved"))
    return sorted(scored, key=order)
