"""Image classification data sets: the images and labels of a split or of a subset, not yet in batches."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from bars_tf.data import augmentation, tfds
from bars_tf.data.augmentation import STATISTICS, Augmentation
from bars_tf.data.records import Records

MARGIN = 1.15  # Images of varying sizes are stored larger than they are used by this factor, for random crops.


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """Images and labels: a split of a data set, or a subset of one.

    Attributes:
        records: the split that contains the images.
        indices: positions of the images in the split, increasing, int64 [num_images].
        image_shape: (height, width, channels) of the images in a batch.
        mean, std: mean and standard deviation of each channel of the training images, as fractions of 255; batches
            contain (image / 255 - mean) / std.
        class_weights: weight of each class in the loss and in accuracies; None for none, and no weights in batches.
    """

    records: Records
    indices: np.ndarray = dataclasses.field(repr=False)
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_weights: tuple[float, ...] | None = None

    @property
    def name(self) -> str:
        """Name of the data set, without version and configuration."""
        return self.records.name

    @property
    def full_name(self) -> str:
        """Name of the data set with configuration and version, and the split."""
        return self.records.full_name

    @property
    def num_images(self) -> int:
        return len(self.indices)

    @property
    def num_classes(self) -> int:
        return self.records.num_classes

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.records.class_names

    @functools.cached_property
    def sha256(self) -> str:
        """Identifies the images: SHA-256 of `full_name`, a zero byte and the indices as little-endian int64."""
        return hashlib.sha256(self.full_name.encode() + b"\0" + self.indices.astype("<i8").tobytes()).hexdigest()

    @property
    def default_augmentation(self) -> Augmentation:
        """The augmentation that training on this data set uses by default."""
        has_margin = self.records.shape != self.image_shape
        return augmentation.default_augmentation(self.name, min(self.image_shape[:2]), has_margin)

    @functools.cached_property
    def class_counts(self) -> np.ndarray:
        """Number of images of each class. Raises: ValueError: a record is damaged."""
        return np.bincount(self.records.read_labels()[self.indices], minlength=self.num_classes)

    def balanced_weights(self) -> tuple[float, ...]:
        """The weight of each class that makes all classes count alike: inverse to its number of images, 1 on average.

        Classes without images have the weight 0: nothing can be learned of them.

        Raises: ValueError: a record is damaged.
        """
        counts = self.class_counts
        weights = self.num_images / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return tuple(map(float, np.where(counts, weights, 0)))

    def split(self, seed: int, fractions: Sequence[float]) -> tuple[ImageData, ...]:
        """Splits the images at random into disjoint subsets, one per fraction.

        Raises: ValueError: fractions are not positive or sum to more than 1, or a subset has no image.
        """
        ends = np.cumsum(fractions)
        if min(fractions, default=0) <= 0 or ends[-1] > 1 + 1e-9:
            raise ValueError(f"fractions {tuple(fractions)} of a split must be positive and sum to 1 at most")
        cuts = [0, *(round(min(end, 1.0) * self.num_images) for end in ends)]
        # NumPy guarantees that the numbers of RandomState never change; those of Generator may.
        order = np.random.RandomState(seed).permutation(self.indices)
        subsets = [np.sort(order[start:end]) for start, end in itertools.pairwise(cuts)]
        if not all(map(len, subsets)):
            raise ValueError(f"{self.num_images} images of {self.full_name} are too few for fractions {fractions}")
        return tuple(dataclasses.replace(self, indices=subset) for subset in subsets)


def load(name: str, data_dir: str | os.PathLike | None = None, *, image_size: int | None = None,
         validation: str | None = None) -> tuple[ImageData, ...]:
    """Opens an image classification set of TFDS, and downloads it if it is missing. Images are read when needed.

    The test images are those of the split "test", else of "validation" (also if the labels of "test" are secret),
    else the last fifth of "train".

    Args:
        name: name in TFDS, such as "cifar10", or "fashion_mnist_small", which is in the package.
        data_dir: directory of TFDS; None for the default of TFDS.
        image_size: side in pixels that images are resized to; required if the images vary in size.
        validation: name of a split with validation images.

    Returns:
        Training images, validation images if `validation` names them, and test images.

    Raises:
        ValueError: the data set is unknown, cannot be downloaded, is not made for image classification, has no
            training images or no such validation images, has images of varying size without `image_size`, or is
            damaged.
    """
    if image_size is not None and image_size < 8:
        raise ValueError(f"image_size is {image_size}, it must be 8 pixels or more")
    builder = tfds.find_builder(name, data_dir)
    keys = tfds.classification_keys(builder)
    tfds.download_if_missing(builder, data_dir)
    shape = builder.info.features[keys[0]].shape
    return build_image_data(
        lambda stored, resize: [Records(builder, split, keys, stored, resize)
                                for split in tfds.split_names(builder, keys, validation)],
        shape, None in shape[:2], image_size, f"the images of data set {name!r}")


def build_image_data(make_records: Callable[[tuple[int, int, int], bool], Iterable[Records]],
                     shape: tuple[int | None, int | None, int | None], varying: bool | str, image_size: int | None,
                     subject: str) -> tuple[ImageData, ...]:
    """Builds training, test and other images from their records.

    Args:
        make_records: a function of the shape that images are stored in and of whether they are resized to it; returns
            the records of each split, those of training first.
        shape: (height, width, channels) of the images; None for an unknown size.
        varying: whether the sizes vary, or an example of it.
        image_size: side in pixels that images are resized to; None to keep their size.
        subject: a name of the images for messages, in the plural.
    Raises: ValueError: sizes vary and `image_size` is not given, or images are smaller than 8 pixels.
    """
    height, width, channels = shape
    if varying and image_size is None:
        example = f" ({varying})" if isinstance(varying, str) else ""
        raise ValueError(f"{subject} vary in size{example}: choose one by image_size, for example 224")
    size = (image_size, image_size) if image_size else (height, width)
    if min(size) < 8:
        raise ValueError(f"{subject} have {size[1]}x{size[0]} pixels; choose 8 or more by image_size")
    stored = (round(image_size * MARGIN),) * 2 if varying else size
    splits = list(make_records((*stored, channels or 3), bool(varying) or stored != (height, width)))
    train = splits[0]
    mean, std = STATISTICS.get(train.name) or train.statistics()
    image_shape = (*size, channels or 3)
    return tuple(ImageData(split, np.arange(len(split)), image_shape, mean, std) for split in splits)
