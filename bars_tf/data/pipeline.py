"""Input pipelines: deterministic batches of image data.

Order and augmentation are a function of the seed, the subset, the epoch and the step, never of what was drawn before.
So a run that resumes at any step sees the batches of an uninterrupted run.
"""

import math
from typing import Literal

from bars_tf.data.augmentation import Augmentation, prepare_for_evaluation, prepare_for_training
from bars_tf.data.image_data import ImageData, load
from bars_tf.legacy_keras import tf

__all__ = ["ImageData", "batches", "bilevel", "load", "steps_per_epoch"]


def steps_per_epoch(batch_size: int, *subsets: ImageData) -> int:
    """Training steps per epoch: the number of full batches of the smallest subset.

    Raises: ValueError: the smallest subset has fewer images than a batch.
    """
    smallest = min(subsets, key=lambda subset: subset.num_images)
    if not 1 <= batch_size <= smallest.num_images:
        raise ValueError(f"batch size {batch_size} does not fit: the smallest subset of {smallest.full_name} has "
                         f"{smallest.num_images} of {len(smallest.records)} images, so 1 to {smallest.num_images} are "
                         "possible")
    return smallest.num_images // batch_size


def batches(data: ImageData, batch_size: int, *, training: bool = False, seed: int = 0,
            start_epoch: int | None = None, start_step: int = 0, steps: int | None = None,
            shard: tuple[int, int] = (0, 1), augment: Augmentation | Literal["default"] | None = "default"
           ) -> tf.data.Dataset:
    """Batches of normalised float32 images [B, H, W, C], int32 labels [B] and, of data with class weights, those [B].

    Args:
        data: the images.
        training: whether images are augmented and shuffled, and an incomplete last batch is dropped. Otherwise every
            image appears once, in order.
        seed: seed of order and augmentation.
        start_epoch: None for one epoch, in another order at each iteration, for `fit(..., epochs=n)`. Otherwise the
            endless sequence of epochs from this one on, always the same, for `fit(..., steps_per_epoch=...)`.
        start_step: first step of that epoch; earlier batches are skipped.
        steps: maximum number of batches of a training epoch; None for no limit.
        shard: (i, n) for every nth image of each batch from the ith on; n divides the batch size.
        augment: the augmentation; "default" for that of the data set, None for none.

    Raises: ValueError: the batch is larger than the data, or a record is damaged.
    """
    if not training:
        steps = math.ceil(data.num_images / batch_size)
        return _with_options(_pipeline(data, batch_size, steps, tf.data.Dataset.range(1), None, None), steps)
    steps = min(steps or math.inf, steps_per_epoch(batch_size, data))
    start = (start_epoch, start_step)
    dataset = _pipeline(data, batch_size, steps, _epoch_numbers(seed, start_epoch), seed, augment, start, shard)
    return _with_options(dataset, steps if start_epoch is None else tf.data.INFINITE_CARDINALITY)


def bilevel(train: ImageData | tuple[ImageData, ImageData], batch_size: int, *, seed: int = 0,
            arch_split: float = 0.5, start_epoch: int | None = None, start_step: int = 0, steps: int | None = None,
            shard: tuple[int, int] = (0, 1), augment: Augmentation | Literal["default"] | None = "default"
           ) -> tf.data.Dataset:
    """Pairs of training batches for a search: ((x_w, y_w), (x_a, y_a)), for the weights and for the alphas.

    Each half is as of `batches`: with a third tensor, where the data have class weights.

    Args:
        train: images that are split by `train.split(seed, (1 - arch_split, arch_split))`, or two subsets.
        batch_size: images in each batch of a pair.
        arch_split: fraction of the images that trains the alphas.
        seed, start_epoch, start_step, steps, shard, augment: as for `batches`.

    Raises: ValueError: a batch is larger than a subset, `arch_split` is not between 0 and 1, or a record is damaged.
    """
    subsets = train.split(seed, (1 - arch_split, arch_split)) if isinstance(train, ImageData) else train
    steps = min(steps or math.inf, steps_per_epoch(batch_size, *subsets))
    start = (start_epoch, start_step)
    pairs = tf.data.Dataset.zip(tuple(
        _pipeline(subset, batch_size, steps, _epoch_numbers(seed, start_epoch), seed, augment, start, shard)
        for subset in subsets))
    return _with_options(pairs, steps if start_epoch is None else tf.data.INFINITE_CARDINALITY)


def _epoch_numbers(seed: int, start_epoch: int | None) -> tf.data.Dataset:
    """int64 scalars, one per epoch: the numbers from `start_epoch` on, or a single random one per iteration."""
    if start_epoch is None:
        return tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).take(1)
    return tf.data.Dataset.range(start_epoch, 2**31)


def _pipeline(data: ImageData, batch_size: int, steps: int, epochs: tf.data.Dataset, seed: int | None,
              augment: Augmentation | Literal["default"] | None, start: tuple[int | None, int] = (None, 0),
              shard: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
    """`steps` batches for each of `epochs`.

    Without a seed, images are in order and not augmented. `start` is an epoch and the number of its first batches that
    are skipped.
    """
    if batch_size % shard[1]:
        raise ValueError(f"batch size {batch_size} can't be shared by {shard[1]} devices: choose a multiple of that")
    records, size, training = data.records, data.image_shape[:2], seed is not None
    _ = records.in_memory or records.encoded  # opened once, before the functions below are traced
    augmentation = data.default_augmentation if augment == "default" else augment or Augmentation()
    # The digest of the subset keeps the two subsets of a search from drawing the same crops.
    base = tf.constant([seed or 0, int(data.sha256[:7], 16)], tf.int64)

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        key = tf.random.experimental.stateless_fold_in(base, epoch)
        selected = records.select(data.indices, key if training else None)
        selected = selected.batch(batch_size, drop_remainder=training).take(steps).enumerate()
        if start[1]:
            selected = selected.skip(tf.where(epoch == start[0], tf.constant(start[1], tf.int64), 0))
        own = slice(shard[0], None, shard[1])
        return selected.map(lambda step, batch: (
            tf.random.experimental.stateless_fold_in(key, step), *(tensor[own] for tensor in batch)))

    def prepare(key: tf.Tensor, *selected: tf.Tensor) -> tuple[tf.Tensor, ...]:
        images, labels = records.fetch(*selected)
        images = (prepare_for_training(images, size, data.mean, data.std, augmentation, key, shard) if training else
                  prepare_for_evaluation(images, size, data.mean, data.std))
        return images, labels, *([] if data.class_weights is None else [tf.gather(data.class_weights, labels)])

    return epochs.flat_map(epoch_batches).map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _with_options(dataset: tf.data.Dataset, cardinality: int) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # Sharding by files would give workers other batches than one device has.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    # The buffer that tf.data would add grows to a thousand batches over hours.
    options.experimental_optimization.inject_prefetch = False
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(cardinality))
    return dataset.prefetch(4).with_options(options)
