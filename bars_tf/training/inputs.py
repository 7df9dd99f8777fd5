"""Batches and steps of a training, on one device or shared by several."""

from __future__ import annotations

from bars_tf.data import pipeline
from bars_tf.data.image_data import ImageData
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import InputError, blame
from bars_tf.legacy_keras import tf


def steps_per_epoch(field: str, batch_size: int, max_steps: int, *parts: ImageData) -> int:
    """Steps of an epoch over the smallest part, at most `max_steps` where that is not 0.

    Raises: InputError naming the field where a part has fewer images than a batch.
    """
    with blame(field, batch_size):
        steps = pipeline.steps_per_epoch(batch_size, *parts)
    return min(steps, max_steps) if max_steps else steps


def check_sharing(strategy: tf.distribute.Strategy, images: ImageSplits, **batch_sizes: int) -> None:
    """Refuses batches that the devices cannot share evenly, and validation images that cannot reach all of them.

    Args:
        batch_sizes: the batch size of each field.
    """
    replicas = strategy.num_replicas_in_sync
    for field, size in batch_sizes.items():
        if size % replicas:
            raise InputError.of(field, size, f"must be a multiple of {replicas}, the devices that share it")
    count = images.validation.num_images
    if not shared_batch_size(count, images.settings.eval_batch_size, replicas):
        raise InputError.of("validation_split", images.settings.validation_split, f"leaves {count} images, which "
                            f"{replicas} devices can't share so that each has some")


def shared_batch_size(num_images: int, most: int, replicas: int) -> int:
    """The largest batch size, at most `most`, of which every replica gets an image, of the last batch too; 0 if none.

    Keras gives each replica the same number of images, rounded up, until none are left, and no convolution takes an
    empty batch.
    """
    def reaches_all(size):
        return -(-size // -(-size // replicas)) == replicas

    return next((size for size in range(min(most, num_images), 0, -1)
                 if reaches_all(size) and reaches_all(num_images % size or size)), 0)


def validation_batches(images: ImageSplits, max_steps: int) -> tf.data.Dataset:
    """The validation images in batches, at most `max_steps` of them where that is not 0."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    size = shared_batch_size(images.validation.num_images, images.settings.eval_batch_size, replicas)
    batches = pipeline.batches(images.validation, size)
    return batches.take(max_steps) if max_steps else batches
