"""How good a genotype is by the shared weights of the supernet."""

import itertools
from collections.abc import Iterable

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.metrics import right_answers
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import Genotype

CALIBRATION_BATCHES = 8


class Scorer:
    """Scores genotypes by a supernet, whose variables stay as they were. Traced once, for all genotypes."""

    def __init__(self, supernet: Supernet):
        self.supernet, self._traced = supernet, None
        self._statistics = [layer.moving for layer in supernet.layers_by_name.values() if hasattr(layer, "moving")]

    def score(self, genotype: Genotype, batches: Iterable) -> tuple[float, float]:
        """Evaluates the supernet as one genotype.

        The batch-norm statistics are recalibrated for it, as the mean over the first `CALIBRATION_BATCHES`: those of
        training belong to other networks (SPOS, arXiv 1904.00420). `batches` are (images [B, H, W, C], labels [B]), or
        with weights [B] beside, and can be read more than once. Returns the accuracy and the mean loss.
        """
        sample = self.supernet.sample_of(genotype)
        before = [v.numpy() for v in self._statistics]
        self._traced = self._traced or self._trace(*next(iter(batches))[:2], sample)
        calibrate, score = self._traced
        correct = loss = total = 0.0
        try:
            for i, (images, *_) in enumerate(itertools.islice(batches, CALIBRATION_BATCHES)):
                calibrate(images, sample, tf.constant(1.0 / (i + 1), self.supernet.variable_dtype))
            for images, labels, *weights in batches:
                batch_weights = tf.cast(weights[0], tf.float32) if weights else tf.ones(len(images))
                batch_correct, batch_loss = score(images, labels, batch_weights, sample)
                correct, loss = correct + float(batch_correct), loss + float(batch_loss)
                total += float(tf.reduce_sum(batch_weights))
        finally:  # after an interrupt too: in a notebook the supernet lives on
            for variable, value in zip(self._statistics, before):
                variable.assign(value)
        return correct / total, loss / total

    def _trace(self, images, labels, sample):
        """`_calibrate` and `_score` for batches of any size; else both would be traced again for the last batch."""
        images, labels = (tf.TensorSpec((None, *t.shape[1:]), t.dtype) for t in (images, labels))
        sample = tf.nest.map_structure(tf.TensorSpec.from_tensor, sample)
        fraction = tf.TensorSpec((), self.supernet.variable_dtype)
        return (tf.function(self._calibrate, autograph=False).get_concrete_function(images, sample, fraction),
                tf.function(self._score, autograph=False).get_concrete_function(
                    images, labels, tf.TensorSpec((None,), tf.float32), sample))

    def _calibrate(self, images, sample, fraction):
        self.supernet(images, sample, mode="calibrate", fraction=fraction)

    def _score(self, images, labels, weights, sample):
        logits = self.supernet(images, sample)
        labels = tf.reshape(labels, [-1])
        losses = tf.keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        weights, hits = (tf.cast(values, losses.dtype) for values in (weights, right_answers(labels, logits)))
        return tf.reduce_sum(weights * hits), tf.reduce_sum(weights * losses)
