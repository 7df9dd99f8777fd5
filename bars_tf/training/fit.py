"""Training of the network of a genotype by Keras's `fit`, resumable at every step."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bars_tf.config import RunSettings
from bars_tf.data import pipeline
from bars_tf.data.splits import ImageSplits, reading
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network, in_float32
from bars_tf.space.genotype import Genotype
from bars_tf.training import callbacks, checkpoints, distillation, distribution, inputs, schedules
from bars_tf.training.progress import Progress
from bars_tf.training.settings import TrainingSettings

SHOWN_METRICS = ("loss", "accuracy", "val_accuracy")


def optimizer(name: str, learning_rate: float, total_steps: int, warmup_steps: int, clip_norm: float
              ) -> tf.keras.optimizers.Optimizer:
    """Adam, or SGD with Nesterov momentum 0.9, with the schedule `WarmupCosine`.

    Keras's legacy optimizers are faster: they update a variable in one operation. There is no weight decay, because it
    only rescales the learning rate of latent weights.

    `name` is "adam" or "sgd", `learning_rate` the peak; `clip_norm` limits the global norm of the gradient, 0 does not.
    """
    options = {"global_clipnorm": clip_norm} if clip_norm else {}
    schedule = schedules.WarmupCosine(learning_rate, total_steps, warmup_steps)
    if name == "sgd":
        return tf.keras.optimizers.legacy.SGD(schedule, momentum=0.9, nesterov=True, **options)
    return tf.keras.optimizers.legacy.Adam(schedule, **options)


class Stage(NamedTuple):
    """A training of one network."""

    name: str  # name of its subdirectory
    epochs: int  # number of epochs of the learning rate schedule
    precision: str  # precision of the network, as for `build_network`
    pause_after: int | None = None  # epoch at which the training pauses, to be continued later; None for no pause


def train_network(settings: TrainingSettings, run: RunSettings, images: ImageSplits, genotype: Genotype,
                  directory: Path, stage: Stage | None = None, initial: tf.keras.Model | None = None,
                  teacher: tf.keras.Model | None = None) -> tuple[tf.keras.Model, float]:
    """Trains the network of a genotype, under the current `tf.distribute` strategy.

    Writes checkpoints, logs, and the model with the best validation accuracy as `best_model.h5`.

    Args:
        directory: work directory; the stage has a subdirectory.
        stage: the stage; None for the training that gives the result, "train".
        initial: model with the initial values of all variables; None for random ones.
        teacher: teacher of the distillation; None for none.

    Returns: the model with the weights of the last epoch, and the seconds of its training in all starts of the run.
    """
    stage = stage or Stage("train", settings.train_epochs, settings.precision)
    tf.keras.utils.set_random_seed(run.seed + 1)  # the same initial weights after a search and without one
    network = trainable_network(settings, genotype, images.image_shape, images.num_classes, stage.precision)
    if initial is not None:
        network.set_weights(initial.get_weights())
    model = distillation.Distillation(network, teacher, settings.distillation) if teacher is not None else network
    steps = inputs.steps_per_epoch("train_batch_size", settings.train_batch_size, run.max_steps, images.train)
    warmup_epochs = min(settings.train_warmup_epochs, stage.epochs - 1)
    weighted = images.train.class_weights is not None
    model.compile(
        optimizer(settings.train_optimizer, settings.train_lr, stage.epochs * steps, warmup_epochs * steps,
                  settings.train_clip_norm),
        loss_function(images.num_classes, settings.label_smoothing),
        metrics=None if weighted else ["accuracy"], weighted_metrics=["accuracy"] if weighted else None,
        steps_per_execution=max(1, min(10, steps // 4)), jit_compile=settings.xla)
    # Created before the checkpoint is restored, so that a missing variable is an error.
    model.optimizer._create_all_weights(model.trainable_variables)
    subdirectory = directory / stage.name
    strategy, writes = tf.distribute.get_strategy(), run.is_chief
    best = callbacks.BestModel(str(subdirectory / "best_model.h5"), network,
                               in_float32 if settings.mixed_precision else None, writes)
    generators = {layer.name: layer._random_generator._generator for layer in network.layers
                  if isinstance(layer, tf.keras.layers.Dropout)}  # Keras does not save them in checkpoints
    saved = checkpoints.Checkpoints(str(subdirectory / "checkpoints"), steps, run.save_minutes, writes,
                                    model=model, best=best.best, **generators)
    first = saved.restore()

    def batches(position):
        return distribution.distribute_batches(strategy, settings.train_batch_size, lambda shard: pipeline.batches(
            images.train, settings.train_batch_size, training=True, seed=run.seed, start_epoch=position.epoch,
            start_step=position.step, steps=steps, shard=shard, augment=images.augmentation))

    end = stage.pause_after or stage.epochs
    if first.epoch < end:
        shown = [Progress(stage.name, end, steps, SHOWN_METRICS, first), *loggers(subdirectory)] if writes else []
        with reading(images.train):
            checkpoints.fit(model, batches, end, saved, [
                callbacks.RaiseOnNaN("training", "--train_lr or --train_clip_norm", first), *shown, best],
                inputs.validation_batches(images, run.max_steps))
    return (in_float32(network) if settings.mixed_precision else network), saved.seconds


def trainable_network(settings: TrainingSettings, genotype: Genotype, input_shape: tuple[int, int, int],
                      num_classes: int, precision: str | None = None) -> tf.keras.Model:
    """Builds the network of a genotype with the dropout, the mixed-precision policy and, unless one is given, the
    precision of its training."""
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16" if settings.mixed_precision else None)
    try:
        return build_network(genotype, input_shape, num_classes, dropout=settings.dropout,
                             precision=precision or settings.precision)
    finally:
        tf.keras.mixed_precision.set_global_policy(None)  # restores the default of Keras


def loggers(directory: Path) -> list[tf.keras.callbacks.Callback]:
    """The callbacks that write the metrics of every epoch, as CSV and for TensorBoard."""
    return [callbacks.CSVLogger(str(directory / "log.csv")),
            callbacks.TensorBoard(str(directory / "tensorboard"), write_graph=False)]


def loss_function(num_classes: int, label_smoothing: float) -> Callable:
    """The cross entropy of integer labels and logits, with label smoothing."""
    if not label_smoothing:
        return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def smoothed(labels, logits):
        one_hot = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), num_classes)
        return tf.keras.losses.categorical_crossentropy(one_hot, logits, from_logits=True,
                                                        label_smoothing=label_smoothing)

    return smoothed
