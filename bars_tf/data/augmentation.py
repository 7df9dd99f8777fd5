"""Preprocessing of image batches: random crop, flip and cutout, and normalisation.

Every function works on whole batches and is stateless: the same key gives the same batch.
"""

import dataclasses
from collections.abc import Sequence

from bars_tf.legacy_keras import tf


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random augmentation of training images.

    Crop and flip are those of He et al. (arXiv 1512.03385), cutout is that of DeVries and Taylor (arXiv 1708.04552).

    Attributes:
        crop_padding: black pixels added at each side before an image of the original size is cropped at random.
        flip: whether half of the images are mirrored left to right.
        cutout: side in pixels of a square set to the mean colour, its centre anywhere in the image; 0 for none.

    Raises: ValueError: a number of pixels is negative.
    """

    crop_padding: int = 0
    flip: bool = False
    cutout: int = 0

    def __post_init__(self) -> None:
        for name, value in (("crop_padding", self.crop_padding), ("cutout", self.cutout)):
            if value < 0:
                raise ValueError(f"{name} is {value}, it must be 0 or more pixels")


# The common choices; digits and letters are not mirrored, because that would make another character of them.
_DEFAULTS = {
    "cifar10": Augmentation(crop_padding=4, flip=True),
    "cifar100": Augmentation(crop_padding=4, flip=True),
    "fashion_mnist": Augmentation(crop_padding=2, flip=True),
    "fashion_mnist_small": Augmentation(crop_padding=2, flip=True),
    "mnist": Augmentation(crop_padding=2),
    "emnist": Augmentation(crop_padding=2),
    "kmnist": Augmentation(crop_padding=2),
    "svhn_cropped": Augmentation(crop_padding=4),
}

# Mean and standard deviation of each channel of the training images, as fractions of 255.
STATISTICS = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "fashion_mnist_small": ((0.2860,), (0.3530,)),
    "mnist": ((0.1307,), (0.3081,)),
    "imagenet2012": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def default_augmentation(name: str, image_size: int, has_margin: bool = False) -> Augmentation:
    """The default augmentation of a data set.

    Args:
        name: name of the data set in TFDS, without version or configuration.
        image_size: smaller side of the images in pixels.
        has_margin: whether the images are stored larger than they are used, so that crops need no padding.
    """
    known = _DEFAULTS.get(name, Augmentation(crop_padding=image_size // 8, flip=True))
    return dataclasses.replace(known, crop_padding=0) if has_margin else known


def central_crop(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Crops the central `size` = (height, width) pixels of images [B, H, W, C]."""
    top, left = (images.shape[1] - size[0]) // 2, (images.shape[2] - size[1]) // 2
    return images[:, top : top + size[0], left : left + size[1]]


def _draw(count: tf.Tensor, seed: tf.Tensor, end: int, shard: tuple[int, int]) -> tf.Tensor:
    """Uniform int32 [count, 1] below `end`, for `count` images that are the shard (i, n) of a batch.

    The numbers of the whole batch are drawn, so that shards together see those of one device.
    """
    index, shards = shard
    return tf.random.stateless_uniform([count * shards, 1], seed, 0, end, tf.int32)[index::shards]


def random_crop_and_flip(images: tf.Tensor, size: tuple[int, int], augmentation: Augmentation, key: tf.Tensor,
                         shard: tuple[int, int] = (0, 1)) -> tf.Tensor:
    """Pads, crops and mirrors each image at random.

    Args:
        images: [B, H, W, C].
        size: (height, width) of the crops.
        augmentation: the padding, and whether images are mirrored.
        key: seed of the whole batch, [2].
        shard: (i, n) where the images are every nth of the batch from the ith on.
    Returns:
        Images [B, *size, C].
    """
    padding = augmentation.crop_padding
    padded = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    count, (height, width, channels) = tf.shape(images)[0], padded.shape[1:]
    for_rows, for_columns, for_flip = tf.unstack(tf.random.experimental.stateless_split(key, 3))

    def draw(seed: tf.Tensor, end: int) -> tf.Tensor:
        return _draw(count, seed, end, shard)

    rows = draw(for_rows, height - size[0] + 1) + tf.range(size[0])
    columns = tf.range(size[1])
    if augmentation.flip:
        columns = tf.where(draw(for_flip, 2) == 1, columns[::-1], columns)
    columns += draw(for_columns, width - size[1] + 1)
    # A single gather from the whole batch is as fast as copying the pixels.
    pixels = (tf.range(count)[:, None, None] * height + rows[:, :, None]) * width + columns[:, None, :]
    return tf.gather(tf.reshape(padded, [-1, channels]), pixels)


def normalise(images: tf.Tensor, mean: Sequence[float], std: Sequence[float]) -> tf.Tensor:
    """(images / 255 - mean) / std, as float32 [B, H, W, C]; `mean` and `std` have a value per channel."""
    scale = tf.constant([1 / (255 * s) for s in std], tf.float32)
    offset = tf.constant([m / s for m, s in zip(mean, std, strict=True)], tf.float32)
    return tf.cast(images, tf.float32) * scale - offset


def cutout(images: tf.Tensor, side: int, key: tf.Tensor, shard: tuple[int, int] = (0, 1)) -> tf.Tensor:
    """Sets a random square of `side` pixels to 0 in each image [B, H, W, C]; it may extend beyond the border."""
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    for_rows, for_columns = tf.unstack(tf.random.experimental.stateless_split(key, 2))

    def inside(length: int, seed: tf.Tensor) -> tf.Tensor:
        start = _draw(count, seed, length, shard) - side // 2
        position = tf.range(length)
        return (position >= start) & (position < start + side)

    hole = inside(height, for_rows)[:, :, None] & inside(width, for_columns)[:, None, :]
    return tf.where(hole[..., None], tf.zeros([], images.dtype), images)


def prepare_for_training(images: tf.Tensor, size: tuple[int, int], mean: Sequence[float], std: Sequence[float],
                         augmentation: Augmentation, key: tf.Tensor, shard: tuple[int, int] = (0, 1)) -> tf.Tensor:
    """Augments and normalises uint8 images [B, H, W, C]; returns float32 [B, *size, C].

    The arguments are those of `random_crop_and_flip` and `normalise`.
    """
    for_crop, for_cutout = tf.unstack(tf.random.experimental.stateless_split(key, 2))
    images = normalise(random_crop_and_flip(images, size, augmentation, for_crop, shard), mean, std)
    return cutout(images, augmentation.cutout, for_cutout, shard) if augmentation.cutout else images


def prepare_for_evaluation(images: tf.Tensor, size: tuple[int, int], mean: Sequence[float], std: Sequence[float]
                          ) -> tf.Tensor:
    """Crops the centre of uint8 images [B, H, W, C] and normalises it; returns float32 [B, *size, C]."""
    return normalise(central_crop(images, size), mean, std)
