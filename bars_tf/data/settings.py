"""Settings of the images of a run: source, augmentation and split."""

import dataclasses
import os

from bars_tf.errors import InputError

# The fields that replace `dataset` by the path of the user's images; the first one that is given counts. Programs make
# the path absolute, name the run after it, and go on with the run where the images have moved.
USER_IMAGES = ("image_dir",)


CLASS_WEIGHTS = ("none", "balanced")


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Source, augmentation and validation images.

    Raises: InputError: a crop or a cutout is larger than the images.
    """

    dataset: str = "fashion_mnist_small"  # name of a TensorFlow Datasets set
    data_dir: str | None = None  # directory where TensorFlow Datasets looks for it; None for its default
    image_dir: str | None = None  # directory of images that replaces `dataset`
    image_size: int = 0  # side in pixels that images are resized to; 0 keeps their size
    crop_padding: int | None = None  # padding in pixels before random crops; None for the default of the data set
    flip: bool | None = None  # whether training images are mirrored at random; None for the default of the data set
    cutout: int = 0  # side in pixels of a square that is blanked in training images; 0 for none
    split_seed: int = 0  # seed that selects the validation images
    # Fraction of the training images that is used for validation, or the name of a split of the data set.
    validation_split: float | str = 0.1
    class_weights: str = "none"  # "balanced": classes of few training images weigh as much as those of many
    eval_batch_size: int = 256  # images in an evaluation step

    def __post_init__(self):
        if self.image_size:
            self.check_side(self.image_size, f"must be at most --image_size={self.image_size}")

    def check_side(self, side: int, remedy: str) -> None:
        """Raises an InputError if crops or cutouts are larger than `side` pixels."""
        for name in ("crop_padding", "cutout"):
            if (getattr(self, name) or 0) > side:
                raise InputError.of(name, getattr(self, name), remedy)

    @property
    def source(self) -> tuple[str, str]:
        """The field that selects the images, and its value."""
        own = ((name, path) for name in USER_IMAGES if (path := getattr(self, name)))
        return next(own, ("dataset", self.dataset))

    @property
    def name(self) -> str:
        """Short name of the images."""
        field, value = self.source
        return os.path.basename(value) if field in USER_IMAGES else value
