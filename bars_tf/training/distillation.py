"""Training a network by labels and by a teacher."""

from __future__ import annotations

from typing import Any

from bars_tf.legacy_keras import tf

# Of both distributions. Our choice: the usual 2 to 4 of Hinton et al. (arXiv 1503.02531).
TEMPERATURE = 3.0


class Distillation(tf.keras.Model):
    """Trains `network`; the loss is (1 - share) times that of the labels plus share times the distance to the teacher.

    The distance is the cross entropy of the softened distributions times the square of the temperature, which keeps the
    size of its gradients (Hinton et al., arXiv 1503.02531). The teacher is no part of the model: it is neither trained
    nor saved.
    """

    def __init__(self, network: tf.keras.Model, teacher: tf.keras.Model, share: float):
        super().__init__(name="distillation")
        self.network, self.share = network, share
        self._teach = lambda images: teacher(images, training=False)  # a function, so that Keras does not track it

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.network(images, training=training)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        images, labels = data
        soft = tf.nn.softmax(tf.cast(self._teach(images), tf.float32) / TEMPERATURE)
        with tf.GradientTape() as tape:
            logits = self.network(images, training=True)
            distance = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(soft, logits / TEMPERATURE))
            distance /= tf.cast(self.distribute_strategy.num_replicas_in_sync, distance.dtype)
            loss = self.compiled_loss(labels, logits)
            objective = (1 - self.share) * loss + self.share * TEMPERATURE ** 2 * distance
        self.optimizer.minimize(objective, self.network.trainable_variables, tape=tape)
        self.compiled_metrics.update_state(labels, logits)
        return {metric.name: metric.result() for metric in self.metrics}
