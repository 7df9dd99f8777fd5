"""Images of one's own: a folder of them for each class (`from_folder`), or what a Python function returns."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence

from bars_tf.data.folder import from_folder
from bars_tf.data.image_data import ImageData, described
from bars_tf.data.records import OwnRecords
from bars_tf.errors import one_line
from bars_tf.legacy_keras import tf

__all__ = ["from_folder", "from_function"]


@dataclasses.dataclass(frozen=True, eq=False)
class FunctionRecords(OwnRecords):
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
        """(uint8 image of `shape`, int64 label): there is nothing to decode."""
        return self.dataset.map(lambda image, label: (self.fit(image), tf.cast(label, tf.int64)))

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(encoded, self.shape)

    def explain(self, error: Exception) -> ValueError:
        return ValueError(f"the images of {self.full_name} can't be read: {one_line(error)}")


def from_function(function: Callable[[str], tf.data.Dataset], class_names: Sequence[str] | None = None,
                  image_size: int | None = None) -> tuple[ImageData, ImageData]:
    """Takes the images that a function returns.

    Args:
        function: called with "train" and with "test"; returns a data set of (uint8 image [H, W, 1 or 3], integer
            label), each time it is iterated the same images in the same order, well mixed.
        class_names: of the labels 0, 1, ...; by default their numbers.
        image_size: side in pixels that images are brought to; needed where they vary in size.
    Returns:
        Training images and test images.
    Raises:
        ValueError: what the function returns is something else, or empty.
    """
    parts = {split: function(split) for split in ("train", "test")}
    stats = {split: _look_at(split, dataset) for split, dataset in parts.items()}
    highest = max(highest for _, highest, _, _ in stats.values())
    names = tuple(class_names) if class_names is not None else tuple(map(str, range(highest + 1)))
    if highest >= len(names) or len(names) < 2:
        raise ValueError(f"labels reach to {highest}, and there are {len(names)} class names; two or more are needed")
    sizes = {size for _, _, found, _ in stats.values() for size in found}
    channels = {size[2] for size in sizes}
    if len(channels) > 1 or not channels <= {1, 3}:
        raise ValueError(f"images have {sorted(channels)} channels; all need 1, or all need 3")
    shape, vary = min(sizes), f"among them are {sorted(sizes)[:2]}" if len(sizes) > 1 else ""

    def records(stored: tuple[int, int, int], resize: bool) -> Iterator[FunctionRecords]:
        for split, dataset in parts.items():
            count, _, _, digest = stats[split]
            yield FunctionRecords(None, split, ("image", "label"), stored, resize, dataset, count, names,
                                  digest)

    return described(records, shape, vary, image_size, "the images")


def _look_at(split: str, dataset: tf.data.Dataset) -> tuple[int, int, set[tuple[int, ...]], str]:
    """Number of images, highest label, sizes, and a digest of all of it."""
    spec = getattr(dataset, "element_spec", None)
    if not (isinstance(spec, tuple) and len(spec) == 2 and spec[0].dtype == tf.uint8 and spec[0].shape.rank == 3
            and spec[1].dtype.is_integer and spec[1].shape.rank == 0):
        raise ValueError(f"the function has to return, for {split!r}, a data set of (uint8 image [H, W, C], integer "
                         f"label), not batched; it returned {spec if spec is not None else type(dataset).__name__}")
    count, highest, sizes, digest = 0, -1, set(), hashlib.sha256()
    for image, label in dataset.as_numpy_iterator():
        if label < 0:
            raise ValueError(f"image {count} of {split!r} has the label {label}; labels count from 0")
        count, highest = count + 1, max(highest, int(label))
        sizes.add(image.shape)
        digest.update(image.tobytes() + bytes([int(label) % 256]))
    if not count:
        raise ValueError(f"the function returned no images for {split!r}")
    return count, highest, sizes, digest.hexdigest()
