"""Knowledge distillation: training by labels and by the predictions of a teacher."""

from typing import Any

from bars_tf.legacy_keras import tf

# Our choice, within the usual range of 2 to 4.
TEMPERATURE = 3.0


class Distillation(tf.keras.Model):
    """A model that trains `network` by distillation (Hinton et al., arXiv 1503.02531).

    With logits z of the network, logits t of the teacher and temperature T,

        loss = (1 - fraction) * loss(labels, z) + fraction * T^2 * cross_entropy(softmax(t / T), softmax(z / T)).

    The factor T^2 preserves the scale of the gradient. The teacher, a model with the inputs and outputs of `network`
    (images to logits), is neither trained nor saved.
    """

    def __init__(self, network: tf.keras.Model, teacher: tf.keras.Model, fraction: float):
        super().__init__(name="distillation")
        self.network, self.fraction = network, fraction
        self._teacher_logits = lambda images: teacher(images, training=False)  # a function, which Keras does not track

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.network(images, training=training)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        images, labels, weights = tf.keras.utils.unpack_x_y_sample_weight(data)
        targets = tf.nn.softmax(tf.cast(self._teacher_logits(images), tf.float32) / TEMPERATURE)
        with tf.GradientTape() as tape:
            logits = self.network(images, training=True)
            distance = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits / TEMPERATURE))
            distance /= tf.cast(self.distribute_strategy.num_replicas_in_sync, distance.dtype)
            loss = self.compiled_loss(labels, logits, weights)
            objective = (1 - self.fraction) * loss + self.fraction * TEMPERATURE**2 * distance
        self.optimizer.minimize(objective, self.network.trainable_variables, tape=tape)
        self.compiled_metrics.update_state(labels, logits, weights)
        return {metric.name: metric.result() for metric in self.metrics}
