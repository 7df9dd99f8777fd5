"""Image files in one folder per class, as image data."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bars_tf import console
from bars_tf.data.class_folders import find_images
from bars_tf.data.image_data import ImageData, build_image_data
from bars_tf.data.image_files import printable, read_header, read_pixels
from bars_tf.data.records import UserRecords
from bars_tf.errors import one_line
from bars_tf.legacy_keras import tf


@dataclasses.dataclass(frozen=True, eq=False)
class FileRecords(UserRecords):
    """Image files as paths in bytes, and their labels, int64 [N]."""

    directory: Path
    paths: tuple[bytes, ...]
    labels: np.ndarray
    names: tuple[str, ...]
    digest: str
    name = "image_folder"

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def origin(self) -> tuple[str, str]:
        return "image_dir", str(self.directory)

    @functools.cached_property
    def encoded(self) -> tf.data.Dataset:
        """(path, label) of every file."""
        return tf.data.Dataset.from_tensor_slices((tf.constant(self.paths), tf.constant(self.labels)))

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        channels = self.shape[2]
        image = tf.numpy_function(lambda path: read_pixels(path, channels), [encoded], tf.uint8, stateful=False)
        return self.resize(tf.ensure_shape(image, [None, None, channels]))

    def read_labels(self) -> np.ndarray:
        return self.labels

    def diagnose(self, error: Exception) -> ValueError:
        for path in self.paths:
            try:
                height, width, _ = read_pixels(path, self.shape[2]).shape
            except ValueError as cause:
                return cause
            if not self.resizes and (height, width) != self.shape[:2]:
                return ValueError(f"file {printable(path)} has {width}x{height} pixels; it had "
                                  f"{self.shape[1]}x{self.shape[0]} before")
        return ValueError(f"images of {self.directory} can't be read: {one_line(error)}")


def from_folder(directory: str | os.PathLike, image_size: int | None = None, seed: int = 0
                ) -> tuple[ImageData, ImageData]:
    """Opens a directory of image files: `CLASS/FILE`, or `train/CLASS/FILE` and `test/CLASS/FILE`.

    Args:
        directory: the directory. Without a folder of test images, a fifth of every class becomes the test images.
        image_size: side in pixels that images are resized to; required if they vary in size.
        seed: seed of the order of the images, and of the choice of the test images.
    Returns:
        Training images and test images.
    Raises:
        ValueError: folders are not those of classes (`class_folders.find_images`), a file is not a readable image, or
            sizes vary without `image_size`.
        OSError: a directory can't be read.
    """
    top = Path(os.path.expanduser(directory))
    train, test, names = find_images(top, seed)
    shape, varying = _shape_of([path for path, _ in [*train, *test]])
    digest = _digest(top, [path for path, _ in [*train, *test]])

    def records(split: str, files: list[tuple[Path, int]], stored: tuple[int, int, int], resize: bool) -> FileRecords:
        # Shuffled, because streamed images are shuffled within a buffer, and statistics come from the first images.
        order = np.random.RandomState(seed).permutation(len(files))
        return FileRecords(None, split, ("image", "label"), stored, resize, top,
                           tuple(os.fsencode(files[i][0]) for i in order), np.array([files[i][1] for i in order]),
                           tuple(names), digest)

    return build_image_data(lambda stored, resize: [records("train", train, stored, resize),
                                                    records("test", test, stored, resize)],
                            shape, varying, image_size, f"the images of {top}")


def _digest(top: Path, paths: Sequence[Path]) -> str:
    """SHA-256 of the paths below `top`, the sizes and the first 64 kB of files: to read all would take too long."""
    found = hashlib.sha256()
    for path in paths:
        found.update(b"%s %d\0" % (os.path.relpath(os.fsencode(path), os.fsencode(top)), path.stat().st_size))
        with open(path, "rb") as file:
            found.update(file.read(2**16))
    return found.hexdigest()


def _shape_of(paths: list[Path]) -> tuple[tuple[int, int, int], str]:
    """(height, width, channels) by the headers of the files, and an example of files that differ in size, if any do."""
    headers = [read_header(path) for path in paths]
    sizes = [header[:2] for header in headers]
    for what, is_found in (("images have transparency, which is ignored", [header.has_alpha for header in headers]),
                           ("images have 16 bits, of which the higher 8 are used", [h.is_deep for h in headers]),
                           ("files have several images, of which the first is read", [h.is_first for h in headers])):
        if any(is_found):
            console.say(f"note: {sum(is_found)} {what}, such as {printable(paths[is_found.index(True)])}")
    varying = ""
    if other := next((i for i, size in enumerate(sizes) if size != sizes[0]), None):
        varying = ", ".join("{} has {}x{} pixels".format(printable(paths[i]), *sizes[i]) for i in (0, other))
    return (*sizes[0][::-1], 1 if all(header.is_grey for header in headers) else 3), varying
