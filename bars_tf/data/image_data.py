"""Image classification sets: the images of a split or of a part of one, without their batches."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from bars_tf.data import augmentation
from bars_tf.data import tfds as tfds_sets
from bars_tf.data.augmentation import STATISTICS, Augmentation
from bars_tf.data.records import Records

MARGIN = 1.15  # images of varying sizes are stored this much larger than they are used, for random crops


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """Images and labels: a split of a data set, or a part of one.

    Args:
        records: the split that they are in.
        indices: their positions in it, increasing, int64 [num_images].
        image_shape: (height, width, channels) of the images in a batch.
        mean, std: of the training images, a channel, in units of 255: batches have (image / 255 - mean) / std.
    """

    records: Records
    indices: np.ndarray = dataclasses.field(repr=False)
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

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
        """Says which images these are: SHA-256 of `full_name`, a zero byte and the indices as little-endian int64."""
        return hashlib.sha256(self.full_name.encode() + b"\0" + self.indices.astype("<i8").tobytes()).hexdigest()

    @property
    def default_augmentation(self) -> Augmentation:
        """What training on this data set uses unless something else is asked for."""
        has_margin = self.records.shape != self.image_shape
        return augmentation.default_augmentation(self.name, min(self.image_shape[:2]), has_margin)

    def split(self, seed: int, fractions: Sequence[float]) -> tuple[ImageData, ...]:
        """Disjoint random parts, one for each of `fractions`; all images are in one where these sum to 1.

        Raises:
            ValueError: fractions that are not positive or sum to more than 1, or a part without an image.
        """
        ends = np.cumsum(fractions)
        if min(fractions, default=0) <= 0 or ends[-1] > 1 + 1e-9:
            raise ValueError(f"fractions {tuple(fractions)} of a split have to be positive and sum to 1 at most")
        cuts = [0, *(round(min(end, 1.0) * self.num_images) for end in ends)]
        # RandomState, because NumPy promises that its numbers never change; Generator may from version to version.
        order = np.random.RandomState(seed).permutation(self.indices)
        parts = [np.sort(order[start:end]) for start, end in itertools.pairwise(cuts)]
        if not all(map(len, parts)):
            raise ValueError(f"{self.num_images} images of {self.full_name} are too few for parts of {fractions}")
        return tuple(dataclasses.replace(self, indices=part) for part in parts)


def load(
    name: str, data_dir: str | os.PathLike | None = None, *, image_size: int | None = None
) -> tuple[ImageData, ImageData]:
    """Opens an image classification set of TFDS, downloading it where it is missing. Images are read when needed.

    The test images are those of the split "test", else of "validation" (also where the labels of "test" are secret),
    else the last fifth of "train".

    Args:
        name: as in TFDS, e.g. "cifar10", or "fashion_mnist_small", which is in the package.
        data_dir: directory of TFDS; by default the one that TFDS uses.
        image_size: side in pixels that images are brought to; needed for sets whose images vary in size.

    Returns:
        Training images and test images.

    Raises:
        ValueError: the set is unknown, missing and not to be downloaded, not one for image classification, without
            training images, of varying image sizes without `image_size`, or damaged.
    """
    if image_size is not None and image_size < 8:
        raise ValueError(f"image_size is {image_size}, it has to be 8 pixels or more")
    builder = tfds_sets.find(name, data_dir)
    keys = tfds_sets.classification_keys(builder)
    tfds_sets.prepare(builder, data_dir)
    shape = builder.info.features[keys[0]].shape
    varying = "vary in size" if None in shape[:2] else ""
    return described(lambda stored, resize: [
        Records(builder, split, keys, stored, resize) for split in tfds_sets.split_names(builder, keys)
    ], shape, varying, image_size, f"the images of data set {name!r}")


def described(
    records: Callable[[tuple[int, int, int], bool], Iterable[Records]],
    shape: tuple[int | None, int | None, int | None],
    varying: str,
    image_size: int | None,
    what: str,
) -> tuple[ImageData, ImageData]:
    """Training and test images as they are stored and used.

    Args:
        records: makes those of both for a shape that images are stored in, and whether they are brought to it.
        shape: of the images, None where it is not known.
        varying: in words, how their sizes vary; empty where they do not.
        what: the images, in words.
    Raises:
        ValueError: sizes vary and `image_size` is not given, or images are smaller than 8 pixels.
    """
    height, width, channels = shape
    if varying and image_size is None:
        raise ValueError(f"{what} vary in size{'' if varying == 'vary in size' else f' ({varying})'}: choose one by "
                         "image_size, for example 224")
    size = (image_size, image_size) if image_size else (height, width)
    if min(size) < 8:
        raise ValueError(f"{what} have {size[1]}x{size[0]} pixels; choose 8 or more by image_size")
    stored = (round(image_size * MARGIN),) * 2 if varying else size
    train, test = records((*stored, channels or 3), bool(varying) or stored != (height, width))
    mean, std = STATISTICS.get(train.name) or train.statistics()
    image_shape = (*size, channels or 3)
    return tuple(ImageData(part, np.arange(len(part)), image_shape, mean, std) for part in (train, test))
