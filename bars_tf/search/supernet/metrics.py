"""The metrics of a search."""

from typing import Any

from bars_tf.legacy_keras import tf

METRICS = ("loss", "accuracy", "arch_loss", "arch_accuracy", "expected_ops", "skip_share", "none_share",
           "width_entropy", "depth_entropy", "micro_entropy")


class Mean(tf.keras.metrics.Mean):
    """A mean that is NaN where there is nothing to take it of, as the loss of the alphas while they rest.

    It is in no file: every epoch begins it anew, and under a strategy Keras could not read it again.
    """

    def result(self):
        return tf.truediv(self.total, self.count)

    def save_own_variables(self, store: Any) -> None:
        pass

    def load_own_variables(self, store: Any) -> None:
        pass


def right_answers(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Whether the largest of the logits [B, classes] is that of the label [B] or [B, 1]: bool [B]."""
    return tf.argmax(logits, -1, output_type=tf.int32) == tf.cast(tf.reshape(labels, [-1]), tf.int32)


def accuracy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The fraction of right answers; 0 where a replica has no image of a batch."""
    hits = right_answers(labels, logits)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.cast(hits, logits.dtype)), tf.cast(tf.size(hits), logits.dtype))
