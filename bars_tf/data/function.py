"""Image data of the user: from a Python function, or (`from_folder`) from a folder of files per class."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence

from bars_tf import console
from bars_tf.data.folder import from_folder
from bars_tf.data.image_data import ImageData, build_image_data
from bars_tf.data.records import UserRecords
from bars_tf.errors import one_line
from bars_tf.legacy_keras import tf

COUNTED = 2**20  # images after which a note is shown, because an infinite data set may not know that it is one
COMPARED = 100  # images by which an order is told from another

__all__ = ["from_folder", "from_function"]


@dataclasses.dataclass(frozen=True, eq=False)
class FunctionRecords(UserRecords):
    """Images and labels that a function returned as a `tf.data.Dataset`."""

    dataset: tf.data.Dataset
    count: int
    names: tuple[str, ...]
    digest: str
    name = "function"

    def __len__(self) -> int:
        return self.count

    @functools.cached_property
    def encoded(self) -> tf.data.Dataset:
        """(uint8 image of `shape`, int64 label): images are already decoded."""
        return self.dataset.map(lambda image, label: (self.resize(image), tf.cast(label, tf.int64)))

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(encoded, self.shape)

    def diagnose(self, error: Exception) -> ValueError:
        return ValueError(f"the images of {self.full_name} can't be read: {one_line(error)}")


def from_function(function: Callable[[str], tf.data.Dataset], class_names: Sequence[str] | None = None,
                  image_size: int | None = None) -> tuple[ImageData, ImageData]:
    """Builds image data from a function.

    Args:
        function: called with "train" and with "test"; returns a data set of (uint8 image [H, W, 1 or 3], integer
            label) that yields the same images in the same, well mixed order each time it is iterated.
        class_names: names of the labels 0, 1, ...; None for their numbers.
        image_size: side in pixels that images are resized to; required if they vary in size.
    Returns:
        Training images and test images.
    Raises: ValueError: the function returns anything else, no images, or an infinite data set.
    """
    splits = {split: function(split) for split in ("train", "test")}
    stats = {split: _statistics(split, dataset) for split, dataset in splits.items()}
    highest = max(highest for _, highest, _, _ in stats.values())
    names = tuple(class_names) if class_names is not None else tuple(map(str, range(highest + 1)))
    if highest >= len(names) or len(names) < 2:
        raise ValueError(f"labels go up to {highest}, and there are {len(names)} class names; two or more are needed")
    sizes = {size for _, _, found, _ in stats.values() for size in found}
    channels = {size[2] for size in sizes}
    if len(channels) > 1 or not channels <= {1, 3}:
        raise ValueError(f"images have {sorted(channels)} channels; all must have 1, or all 3")
    varying = f"among them are {sorted(sizes)[:2]}" if len(sizes) > 1 else ""

    def records(stored: tuple[int, int, int], resize: bool) -> Iterator[FunctionRecords]:
        for split, dataset in splits.items():
            count, _, _, digest = stats[split]
            yield FunctionRecords(None, split, ("image", "label"), stored, resize, dataset, count, names, digest)

    return build_image_data(records, min(sizes), varying, image_size, "the images")


def _statistics(split: str, dataset: tf.data.Dataset) -> tuple[int, int, set[tuple[int, ...]], str]:
    """Number of images, highest label, image shapes, and a digest of images and labels."""
    spec = getattr(dataset, "element_spec", None)
    if not (isinstance(spec, tuple) and len(spec) == 2 and spec[0].dtype == tf.uint8 and spec[0].shape.rank == 3
            and spec[1].dtype.is_integer and spec[1].shape.rank == 0):
        raise ValueError(f"the function must return, for {split!r}, a data set of (uint8 image [H, W, C], integer "
                         f"label), not batched; it returned {spec if spec is not None else type(dataset).__name__}")
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(f"the data set for {split!r} is infinite: return it without repeat(), or with take(count)")
    if _beginning(dataset) != _beginning(dataset):  # streamed validation images would be trained with
        raise ValueError(f"the data set for {split!r} has another order each time: return it without shuffle(), or "
                         "with shuffle(..., seed=0, reshuffle_each_iteration=False)")
    count, highest, sizes, digest = 0, -1, set(), hashlib.sha256()
    for image, label in dataset.as_numpy_iterator():
        if label < 0:
            raise ValueError(f"image {count} of {split!r} has the label {label}; labels count from 0")
        count, highest = count + 1, max(highest, int(label))
        if not count % COUNTED:
            console.say(f"note: the data set for {split!r} has {count} images so far; it must not be infinite")
        sizes.add(image.shape)
        digest.update(image.tobytes() + bytes([int(label) % 256]))
    if not count:
        raise ValueError(f"the function returned no images for {split!r}")
    return count, highest, sizes, digest.hexdigest()


def _beginning(dataset: tf.data.Dataset) -> list[tuple[bytes, int]]:
    return [(image.tobytes(), int(label)) for image, label in dataset.take(COMPARED).as_numpy_iterator()]
