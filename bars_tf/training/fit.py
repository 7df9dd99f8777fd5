"""Training of a derived network by Keras's own `fit`, resumable at every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bars_tf.config import RunSettings
from bars_tf.data import pipeline
from bars_tf.data.splits import ImageSplits, reading
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network, in_float32
from bars_tf.space.genotype import Genotype
from bars_tf.training import callbacks, checkpoints, distribution, schedules
from bars_tf.training.distillation import Distillation
from bars_tf.training.inputs import steps_per_epoch, validation_batches
from bars_tf.training.progress import Progress
from bars_tf.training.settings import TrainingSettings

SHOWN = ("loss", "accuracy", "val_accuracy")


def optimizer(name: str, learning_rate: float, total_steps: int, warmup_steps: int, clip_norm: float
              ) -> tf.keras.optimizers.Optimizer:
    """Adam or SGD (momentum 0.9) along a cosine. Keras's legacy form, whose update is one operation a variable.

    Weight decay has no place here: on latent weights it acts as another learning rate.
    """
    options = {"global_clipnorm": clip_norm} if clip_norm else {}
    schedule = schedules.WarmupCosine(learning_rate, total_steps, warmup_steps)
    if name == "sgd":
        return tf.keras.optimizers.legacy.SGD(schedule, momentum=0.9, nesterov=True, **options)
    return tf.keras.optimizers.legacy.Adam(schedule, **options)


class Stage(NamedTuple):
    """One training by `fit`.

    Attributes:
        name: its subdirectory.
        epochs: epochs that the schedule of the learning rate covers.
        precision: of the network, as for `build_network`.
        rests_after: epochs after which it pauses; None: it does not.
    """

    name: str
    epochs: int
    precision: str
    rests_after: int | None = None


def train_network(settings: TrainingSettings, run: RunSettings, images: ImageSplits, genotype: Genotype,
                  directory: Path, stage: Stage | None = None, begin_with: tf.keras.Model | None = None,
                  teacher: tf.keras.Model | None = None) -> tuple[tf.keras.Model, float]:
    """Trains the network of a genotype, under the strategy whose scope it is called in.

    The last weights are the result. The model of the best validation accuracy is kept beside, as
    `best_model.h5` in the directory of the stage.

    Args:
        directory: work directory; the stage has a subdirectory.
        stage: None for "train", the training that gives the result.
        begin_with: a model with the same variables, whose values are the initial ones.
        teacher: teacher of the distillation.
    Returns:
        The model, and the seconds that its training took, those of earlier starts included.
    """
    stage = stage or Stage("train", settings.train_epochs, settings.precision)
    tf.keras.utils.set_random_seed(run.seed + 1)  # the initial weights are the same after a search and without
    network = trainable_network(settings, genotype, images.image_shape, images.num_classes, stage.precision)
    if begin_with is not None:
        network.set_weights(begin_with.get_weights())
    model = Distillation(network, teacher, settings.distillation) if teacher is not None else network
    steps = steps_per_epoch("train_batch_size", settings.train_batch_size, run.max_steps, images.train)
    warmup_epochs = min(settings.train_warmup_epochs, stage.epochs - 1)
    model.compile(
        optimizer(settings.train_optimizer, settings.train_lr, stage.epochs * steps, warmup_epochs * steps,
                  settings.train_clip_norm),
        loss_function(images.num_classes, settings.label_smoothing), metrics=["accuracy"],
        steps_per_execution=max(1, min(10, steps // 4)), jit_compile=settings.xla)
    # Variables are made before they are restored, to see that all of them are.
    model.optimizer._create_all_weights(model.trainable_variables)
    subdirectory = directory / stage.name
    strategy, writes = tf.distribute.get_strategy(), run.is_chief
    best = callbacks.BestModel(str(subdirectory / "best_model.h5"), network,
                               in_float32 if settings.mixed_precision else None, writes)
    generators = {layer.name: layer._random_generator._generator for layer in network.layers
                  if isinstance(layer, tf.keras.layers.Dropout)}  # Keras keeps them out of checkpoints
    saved = checkpoints.Checkpoints(str(subdirectory / "checkpoints"), steps, run.save_minutes, writes,
                                    model=model, best=best.best, **generators)
    first = saved.restore()

    def batches(position):
        return distribution.distribute(strategy, settings.train_batch_size, lambda shard: pipeline.batches(
            images.train, settings.train_batch_size, training=True, seed=run.seed, start_epoch=position.epoch,
            start_step=position.step, steps=steps, shard=shard, augment=images.augmentation))

    end = stage.rests_after or stage.epochs
    if first.epoch < end:
        shown = [Progress(stage.name, end, steps, SHOWN, first), *logs(subdirectory)] if writes else []
        with reading(images.train):
            checkpoints.fit(model, batches, end, saved, [
                callbacks.StopOnNaN("training", "--train_lr or --train_clip_norm", first), *shown, best],
                validation_batches(images, run.max_steps))
    return (in_float32(network) if settings.mixed_precision else network), saved.seconds


def trainable_network(settings: TrainingSettings, genotype: Genotype, input_shape: tuple[int, int, int],
                      num_classes: int, precision: str | None = None) -> tf.keras.Model:
    """The derived network under the policy that it is trained in; `precision` is by default that of the settings."""
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16" if settings.mixed_precision else None)
    try:
        return build_network(genotype, input_shape, num_classes, dropout=settings.dropout,
                             precision=precision or settings.precision)
    finally:
        tf.keras.mixed_precision.set_global_policy(None)  # Keras's default again, whatever that is set to


def logs(directory: Path) -> list[tf.keras.callbacks.Callback]:
    """The callbacks that write the values of every epoch."""
    return [callbacks.Log(str(directory / "log.csv")),
            callbacks.TensorBoard(str(directory / "tensorboard"), write_graph=False)]


def loss_function(num_classes: int, label_smoothing: float) -> Callable:
    """Cross entropy of integer labels and logits."""
    if not label_smoothing:
        return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def smoothed(labels, logits):
        one_hot = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), num_classes)
        return tf.keras.losses.categorical_crossentropy(one_hot, logits, from_logits=True,
                                                        label_smoothing=label_smoothing)

    return smoothed
