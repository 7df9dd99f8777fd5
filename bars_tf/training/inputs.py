"""Batch sizes, steps and validation batches of a training on one or several devices."""

from bars_tf.data import pipeline
from bars_tf.data.image_data import ImageData
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import InputError, blame
from bars_tf.legacy_keras import tf


def steps_per_epoch(field: str, batch_size: int, max_steps: int, *subsets: ImageData) -> int:
    """Steps per epoch over the smallest subset, limited to `max_steps` if that is not 0.

    Raises: InputError naming the field if a subset has fewer images than a batch.
    """
    with blame(field, batch_size):
        steps = pipeline.steps_per_epoch(batch_size, *subsets)
    return min(steps, max_steps) if max_steps else steps


def check_sharing(strategy: tf.distribute.Strategy, images: ImageSplits, **batch_sizes: int) -> None:
    """Checks that the devices can share all batches evenly, and that each gets some of the validation images; raises
    InputError naming the setting, by which the batch sizes are given."""
    replicas = strategy.num_replicas_in_sync
    for field, size in batch_sizes.items():
        if size % replicas:
            raise InputError.of(field, size, f"must be a multiple of {replicas}, the devices that share it")
    count = images.validation.num_images
    if not shared_batch_size(count, images.settings.eval_batch_size, replicas):
        raise InputError.of("validation_split", images.settings.validation_split, f"leaves {count} images, which "
                            f"{replicas} devices can't share so that each has some")


def shared_batch_size(num_images: int, most: int, replicas: int) -> int:
    """The largest batch size up to `most` with which every replica gets an image of every batch; 0 if there is none.

    Keras gives each replica the same number of images, rounded up, until none are left, and convolutions do not accept
    an empty batch.
    """
    def reaches_all(size):
        return -(-size // -(-size // replicas)) == replicas

    return next((size for size in range(min(most, num_images), 0, -1)
                 if reaches_all(size) and reaches_all(num_images % size or size)), 0)


def validation_batches(images: ImageSplits, max_steps: int) -> tf.data.Dataset:
    """The validation images in batches, limited to `max_steps` batches if that is not 0."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    size = shared_batch_size(images.validation.num_images, images.settings.eval_batch_size, replicas)
    batches = pipeline.batches(images.validation, size)
    return batches.take(max_steps) if max_steps else batches
