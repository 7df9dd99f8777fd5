"""Training, validation and test images of a run, as its settings ask for."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from bars_tf import console
from bars_tf.data import function, pipeline
from bars_tf.data.augmentation import Augmentation
from bars_tf.data.image_data import ImageData
from bars_tf.data.settings import DataSettings
from bars_tf.errors import InputError, blame
from bars_tf.legacy_keras import tf


class ImageSplits(NamedTuple):
    """The images of a run."""

    train: ImageData  # training images of the weights and of the alphas
    validation: ImageData  # images held out of the training set, for choices between networks
    test: ImageData  # test images, evaluated once, at the end
    settings: DataSettings  # source and preparation of the images

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of an image."""
        return self.train.image_shape

    @property
    def num_classes(self) -> int:
        return self.train.num_classes

    @property
    def augmentation(self) -> Augmentation:
        """The default augmentation of the data set with the changes of the settings."""
        default, settings = self.train.default_augmentation, self.settings
        return Augmentation(default.crop_padding if settings.crop_padding is None else settings.crop_padding,
                            default.flip if settings.flip is None else settings.flip, settings.cutout)

    def read(self) -> None:
        """Reads all images that fit in memory, so that damage is found before the training.

        Raises: InputError naming the source of a damaged image.
        """
        for images in (self.train, self.validation, self.test):
            with blame(*images.records.origin):
                _ = images.records.in_memory


def load_splits(settings: DataSettings) -> ImageSplits:
    """Loads the images of the settings; validation images are a split of the data set, or split off training images.

    Raises: InputError naming the setting that does not fit.
    """
    size = settings.image_size or None
    split = settings.validation_split
    named = split if isinstance(split, str) else None
    if named and settings.image_dir:
        raise InputError.of("validation_split", split, "must be a fraction: only data sets of TFDS have splits by name")
    with blame(*settings.source):
        train, *validation, test = (
            function.from_folder(settings.image_dir, size) if settings.image_dir else
            pipeline.load(settings.dataset, settings.data_dir, image_size=size, validation=named))
    side = min(train.image_shape[:2])
    settings.check_side(side, f"must be at most {side}, the side of the images")
    if not validation:
        with blame("validation_split", split):
            train, *validation = train.split(settings.split_seed, (1 - split, split))
    if settings.image_dir or settings.class_weights == "balanced":  # otherwise labels would be read for this alone
        with blame(*settings.source):
            _note_missing_classes(train)
    if settings.class_weights == "balanced":
        weights = train.balanced_weights()
        train, *validation = (dataclasses.replace(part, class_weights=weights) for part in (train, *validation))
    return ImageSplits(train, *validation, test, settings)


def _note_missing_classes(train: ImageData) -> None:
    if missing := [name for name, count in zip(train.class_names, train.class_counts) if not count]:
        console.say(f"note: {len(missing)} classes have no training images, such as {missing[0]!r}; validation images "
                    "may have taken their last ones, others do by another --split_seed")


@contextlib.contextmanager
def reading(images: ImageData) -> Iterator[None]:
    """A context in which images are streamed: turns TensorFlow's errors into ones that name the damaged record.

    Raises: InputError naming the record.
    """
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        if images.records.in_memory is not None:
            raise
        raise InputError.of(*images.records.origin, str(images.records.diagnose(error))) from None
