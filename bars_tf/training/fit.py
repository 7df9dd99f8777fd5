"""Training of a derived network by Keras's own `fit`, resumable at every step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bars_tf import console as screen
from bars_tf.cli import workdir
from bars_tf.compare.baselines import Network
from bars_tf.config import SearchConfig
from bars_tf.data import function as own_data
from bars_tf.data import pipeline as data
from bars_tf.data.augmentation import Augmentation
from bars_tf.data.pipeline import ImageData
from bars_tf.errors import InputError, as_text, blame
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network, in_float32
from bars_tf.space.genotype import Genotype
from bars_tf.training import callbacks, distribution, schedules
from bars_tf.training import checkpoints as resume
from bars_tf.training.distillation import Distillation
from bars_tf.training.progress import Progress

SHOWN = ("loss", "accuracy", "val_accuracy")


def start(config: SearchConfig) -> tf.distribute.Strategy:
    """Joins the other workers and seeds everything, before anything is drawn or built."""
    strategy = distribution.make(config.strategy)
    tf.keras.utils.set_random_seed(config.seed)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # else TensorFlow takes all of it at once
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    return strategy


def devices() -> list[str]:
    """The names of the devices that TensorFlow computes on."""
    gpus = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus] or ["CPU"]


def load_data(config: SearchConfig) -> tuple[ImageData, ImageData, ImageData]:
    """Training images, validation images (a part of the training set, by `split_seed`) and test images."""
    size = config.image_size or None
    with blame(*config.data_flag):
        train, test = (own_data.from_folder(config.image_dir, size) if config.image_dir else
                       data.load(config.dataset, config.data_dir, image_size=size))
    for name in ("crop_padding", "cutout"):
        if (getattr(config, name) or 0) > min(train.image_shape[:2]):
            raise InputError.of(name, getattr(config, name),
                                f"must be at most {min(train.image_shape[:2])}, the side of the images")
    with blame("validation_split", config.validation_split):
        train, validation = train.split(config.split_seed, (1 - config.validation_split, config.validation_split))
    return train, validation, test


def read(*parts: ImageData) -> None:
    """Reads all images that fit in memory, so that damage is found before the work and not after it."""
    for images in parts:
        with blame(*images.records.origin):
            _ = images.records.in_memory


@contextlib.contextmanager
def reading(images: ImageData) -> Iterator[None]:
    """For a block that reads images while it uses them, as those are that do not fit in memory.

    Raises: InputError naming the record, where one turns out to be damaged.
    """
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        if images.records.in_memory is not None:
            raise
        raise InputError.of(*images.records.origin, str(images.records.explain(error))) from None


def augmentation(config: SearchConfig, train: ImageData) -> Augmentation:
    """The data set's usual augmentation with what the flags change."""
    usual = train.default_augmentation
    return Augmentation(usual.crop_padding if config.crop_padding is None else config.crop_padding,
                        usual.flip if config.flip is None else config.flip, config.cutout)


def optimizer(name: str, rate: float, total_steps: int, warmup_steps: int, clip_norm: float):
    """Adam or SGD (momentum 0.9) along a cosine. Keras's legacy form, whose update is one operation a variable.

    Weight decay has no place here: on latent weights it acts as another learning rate.
    """
    options = {"global_clipnorm": clip_norm} if clip_norm else {}
    schedule = schedules.WarmupCosine(rate, total_steps, warmup_steps)
    if name == "sgd":
        return tf.keras.optimizers.legacy.SGD(schedule, momentum=0.9, nesterov=True, **options)
    return tf.keras.optimizers.legacy.Adam(schedule, **options)


def steps_of(config: SearchConfig, flag: str, *parts: ImageData) -> int:
    """Steps an epoch of the batch size that `flag` gives."""
    with blame(flag, getattr(config, flag)):
        steps = data.steps_per_epoch(getattr(config, flag), *parts)
    return min(steps, config.max_steps) if config.max_steps else steps


def check_shares(config: SearchConfig, strategy: tf.distribute.Strategy, validation: ImageData, *flags: str) -> None:
    """Refuses batches that the devices can't share evenly, and validation images that can't come to all of them."""
    for flag in flags:
        if getattr(config, flag) % strategy.num_replicas_in_sync:
            raise InputError.of(flag, getattr(config, flag),
                                f"must be a multiple of {strategy.num_replicas_in_sync}, the devices that share it")
    if not shared_batch_size(validation.num_images, config.eval_batch_size, strategy.num_replicas_in_sync):
        raise InputError.of("validation_split", config.validation_split, f"leaves {validation.num_images} images, "
                            f"which {strategy.num_replicas_in_sync} devices can't share so that each has some")


def shared_batch_size(num_images: int, most: int, replicas: int) -> int:
    """The largest size of batches of which each device gets a part, of the last one too, which may be smaller: Keras
    gives each the same number, rounded up, until none are left, and no convolution takes none. 0: there is no such."""
    def comes_to_all(size):
        return -(-size // -(-size // replicas)) == replicas

    return next((size for size in range(min(most, num_images), 0, -1)
                 if comes_to_all(size) and comes_to_all(num_images % size or size)), 0)


def validation_batches(config: SearchConfig, validation: ImageData) -> tf.data.Dataset:
    """The validation images in batches, or as many of them as `--max_steps` says."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    batches = data.batches(validation, shared_batch_size(validation.num_images, config.eval_batch_size, replicas))
    return batches.take(config.max_steps) if config.max_steps else batches


class Stage(NamedTuple):
    """One training by `fit`: the name of its subdirectory, its epochs, the precision of the network, and the epochs
    after which it rests, if not at its end."""

    name: str
    epochs: int
    precision: str
    rests_after: int | None = None


def train_network(config: SearchConfig, genotype: Network, train: ImageData, validation: ImageData,
                  directory: Path, stage: Stage | None = None, begin_with: tf.keras.Model | None = None,
                  teacher: tf.keras.Model | None = None) -> tuple[tf.keras.Model, float]:
    """Trains the network of a genotype or a reference, under the strategy whose scope it is called in.

    The last weights are the result. The model of the best validation accuracy is kept beside, as
    `best_model.h5` in the stage's directory.

    Args:
        stage: None: that of the flags, "train".
        begin_with: a model with the same variables, whose values are the initial ones.
        teacher: of the distillation.
    Returns: the model, and the seconds that it took, those of earlier starts included.
    """
    stage = stage or Stage("train", config.train_epochs, config.precision)
    tf.keras.utils.set_random_seed(config.seed + 1)  # the initial weights are the same after a search and without
    network = trainable_network(config, genotype, train.image_shape, train.num_classes, stage.precision)
    if begin_with is not None:
        network.set_weights(begin_with.get_weights())
    model = Distillation(network, teacher, config.distillation) if teacher is not None else network
    steps = steps_of(config, "train_batch_size", train)
    warmup_epochs = min(config.train_warmup_epochs, stage.epochs - 1)
    model.compile(
        optimizer(config.train_optimizer, config.train_lr, stage.epochs * steps, warmup_epochs * steps,
                  config.train_clip_norm),
        loss_function(train.num_classes, config.label_smoothing), metrics=["accuracy"],
        steps_per_execution=max(1, min(10, steps // 4)), jit_compile=config.xla)
    # Variables are made before they are restored, to see that all of them are.
    model.optimizer._create_all_weights(model.trainable_variables)
    subdirectory = directory / stage.name
    strategy, writes = tf.distribute.get_strategy(), workdir.is_chief(config)
    best = callbacks.BestModel(str(subdirectory / "best_model.h5"), network,
                               in_float32 if config.mixed_precision else None, writes)
    generators = {layer.name: layer._random_generator._generator for layer in network.layers
                  if isinstance(layer, tf.keras.layers.Dropout)}  # Keras keeps them out of checkpoints
    checkpoints = resume.Checkpoints(str(subdirectory / "checkpoints"), steps, config.save_minutes, writes,
                                     model=model, best=best.best, **generators)
    first = checkpoints.restore()

    def batches(position):
        return distribution.distribute(strategy, config.train_batch_size, lambda shard: data.batches(
            train, config.train_batch_size, training=True, seed=config.seed, start_epoch=position.epoch,
            start_step=position.step, steps=steps, shard=shard, augment=augmentation(config, train)))

    end = stage.rests_after or stage.epochs
    if first.epoch < end:
        told = [Progress(stage.name, end, steps, SHOWN, first), *logs(subdirectory)] if writes else []
        with reading(train):
            resume.fit(model, batches, end, checkpoints, [
                callbacks.StopOnNaN("training", "--train_lr or --train_clip_norm", first), *told, best],
                validation_batches(config, validation))
    return (in_float32(network) if config.mixed_precision else network), checkpoints.seconds


def trainable_network(config: SearchConfig, genotype: Network, input_shape: tuple[int, int, int],
                      num_classes: int, precision: str | None = None) -> tf.keras.Model:
    """The derived network in the precision that it is trained in, by default that of the flags."""
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16" if config.mixed_precision else None)
    try:
        return build_network(genotype, input_shape, num_classes, dropout=config.dropout,
                             precision=precision or config.precision)
    finally:
        tf.keras.mixed_precision.set_global_policy(None)  # Keras's default again, whatever that is set to


def logs(directory: Path) -> list[tf.keras.callbacks.Callback]:
    """What writes the values of every epoch."""
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


def read_genotype(config: SearchConfig) -> Genotype:
    """The genotype of `--genotype`. Says which flags of the space ask for another one."""
    with blame("genotype", config.genotype):
        genotype = Genotype.load(config.genotype)
    others = [f"--{name}={as_text(value)}" for name, value in config.space_overrides.items()
              if getattr(genotype.space, name) != value]
    if others:
        screen.say(f"note: the network is that of --genotype: no effect of {', '.join(others)}")
    return genotype
