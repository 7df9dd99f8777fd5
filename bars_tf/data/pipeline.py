"""Input pipelines: image classification sets of TensorFlow Datasets as deterministic batches.

Everything random (parts, order, augmentation) is a function of the seed, the part of the data, the epoch and the
step, never of what was drawn before. So a run that starts again anywhere sees the batches it would have seen.
"""

from __future__ import annotations

import math
from typing import Literal

from bars_tf.data.augmentation import Augmentation, prepare_for_evaluation, prepare_for_training
from bars_tf.data.image_data import ImageData, load
from bars_tf.legacy_keras import tf

__all__ = ["ImageData", "batches", "bilevel", "load", "steps_per_epoch"]


def steps_per_epoch(batch_size: int, *parts: ImageData) -> int:
    """Training steps an epoch: full batches of the smallest of the parts.

    Raises:
        ValueError: the smallest part has fewer images than a batch.
    """
    smallest = min(parts, key=lambda part: part.num_images)
    if not 1 <= batch_size <= smallest.num_images:
        raise ValueError(
            f"batch size {batch_size} does not fit: the smallest part of {smallest.full_name} has "
            f"{smallest.num_images} of {len(smallest.records)} images, so 1 to {smallest.num_images} are possible"
        )
    return smallest.num_images // batch_size


def batches(
    data: ImageData,
    batch_size: int,
    *,
    training: bool = False,
    seed: int = 0,
    start_epoch: int | None = None,
    start_step: int = 0,
    steps: int | None = None,
    shard: tuple[int, int] = (0, 1),
    augment: Augmentation | Literal["default"] | None = "default",
) -> tf.data.Dataset:
    """Batches of float32 images [B, H, W, C] of mean 0 and deviation 1, and int32 labels [B].

    Args:
        training: augmented, shuffled, without a last batch that is not full. Otherwise every image once, in order.
        seed: of order and augmentation.
        start_epoch: without it one epoch, in another order each time it is iterated, for `fit(..., epochs=n)`. With it
            all epochs from this one on without an end, the same ones always, for `fit(..., steps_per_epoch=...)`.
        start_step: of that epoch; what comes before is left out.
        steps: ends each training epoch after so many batches, where it has more.
        shard: (i, n) for every nth image of each batch from the ith on; n divides the batch size.
        augment: "default" for what is usual for the data set.

    Raises:
        ValueError: the batch is larger than the data, or a record is damaged.
    """
    if not training:
        steps = math.ceil(data.num_images / batch_size)
        return _finished(_pipeline(data, batch_size, steps, tf.data.Dataset.range(1), None, None), steps)
    steps = min(steps or math.inf, steps_per_epoch(batch_size, data))
    start = (start_epoch, start_step)
    dataset = _pipeline(data, batch_size, steps, _epochs(seed, start_epoch), seed, augment, start, shard)
    return _finished(dataset, steps if start_epoch is None else tf.data.INFINITE_CARDINALITY)


def bilevel(
    train: ImageData | tuple[ImageData, ImageData],
    batch_size: int,
    *,
    seed: int = 0,
    arch_split: float = 0.5,
    start_epoch: int | None = None,
    start_step: int = 0,
    steps: int | None = None,
    shard: tuple[int, int] = (0, 1),
    augment: Augmentation | Literal["default"] | None = "default",
) -> tf.data.Dataset:
    """Pairs of training batches for a search: ((x_w, y_w), (x_a, y_a)), for the weights and for the alphas.

    Args:
        train: is split in two, as by `train.split(seed, (1 - arch_split, arch_split))`; or two parts already split.
        arch_split: share of the images that trains the alphas.
        seed, start_epoch, start_step, steps, shard, augment: as for `batches`.

    Raises:
        ValueError: a batch is larger than a part, `arch_split` is not between 0 and 1, or a record is damaged.
    """
    parts = train.split(seed, (1 - arch_split, arch_split)) if isinstance(train, ImageData) else train
    steps = min(steps or math.inf, steps_per_epoch(batch_size, *parts))
    start = (start_epoch, start_step)
    pairs = tf.data.Dataset.zip(
        tuple(
            _pipeline(part, batch_size, steps, _epochs(seed, start_epoch), seed, augment, start, shard)
            for part in parts
        )
    )
    return _finished(pairs, steps if start_epoch is None else tf.data.INFINITE_CARDINALITY)


def _epochs(seed: int, start_epoch: int | None) -> tf.data.Dataset:
    """int64 scalars that stand for epochs: their numbers, or one that is another each time it is asked for."""
    if start_epoch is None:
        return tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).take(1)
    return tf.data.Dataset.range(start_epoch, 2**31)


def _pipeline(
    data: ImageData,
    batch_size: int,
    steps: int,
    epochs: tf.data.Dataset,
    seed: int | None,
    augment: Augmentation | Literal["default"] | None,
    start: tuple[int | None, int] = (None, 0),
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """`steps` batches for each of `epochs`; without a seed in order and without augmentation. `start`: an epoch and the
    number of its first batches that are left out."""
    if batch_size % shard[1]:
        raise ValueError(f"batch size {batch_size} can't be shared by {shard[1]} devices: choose a multiple of that")
    records, size, training = data.records, data.image_shape[:2], seed is not None
    _ = records.in_memory or records.encoded  # opened here, once, and not while the functions below are traced
    chosen = data.default_augmentation if augment == "default" else augment or Augmentation()
    # The part's own number keeps the two halves of a search from drawing the same crops.
    base = tf.constant([seed or 0, int(data.sha256[:7], 16)], tf.int64)

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        key = tf.random.experimental.stateless_fold_in(base, epoch)
        picked = records.pick(data.indices, key if training else None)
        picked = picked.batch(batch_size, drop_remainder=training).take(steps).enumerate()
        if start[1]:
            picked = picked.skip(tf.where(epoch == start[0], tf.constant(start[1], tf.int64), 0))
        mine = slice(shard[0], None, shard[1])
        return picked.map(lambda step, batch: (
            tf.random.experimental.stateless_fold_in(key, step), *(part[mine] for part in batch)))

    def prepare(key: tf.Tensor, *picked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = records.fetch(*picked)
        if training:
            return prepare_for_training(images, size, data.mean, data.std, chosen, key, shard), labels
        return prepare_for_evaluation(images, size, data.mean, data.std), labels

    return epochs.flat_map(epoch_batches).map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _finished(dataset: tf.data.Dataset, cardinality: int) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # Workers share batches, not files: only so is their work together that of one device.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    # tf.data would add a buffer of its own, which grows over hours to a thousand batches.
    options.experimental_optimization.inject_prefetch = False
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(cardinality))
    return dataset.prefetch(4).with_options(options)
