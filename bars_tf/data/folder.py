"""Image files in a folder for each class.

The layout is that of TFDS's `ImageFolder`. It is read here, because `ImageFolder` passes over empty classes and
unreadable files, and knows no folder that has still to be split.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from bars_tf import console
from bars_tf.data.image_data import ImageData, described
from bars_tf.data.records import OwnRecords
from bars_tf.errors import one_line
from bars_tf.legacy_keras import tf

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
FORMATS = ("BMP", "GIF", "JPEG", "PNG")  # what TensorFlow decodes
GREY = ("1", "L", "I;16")
TEST_FOLDERS = ("test", "validation", "valid", "val")
UNBALANCED = 10


@dataclasses.dataclass(frozen=True, eq=False)
class FileRecords(OwnRecords):
    """Image files and their labels: paths as bytes, int64 labels [N]."""

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
        files = tf.data.Dataset.from_tensor_slices((tf.constant(self.paths), tf.constant(self.labels)))
        return files.map(lambda path, label: (tf.io.read_file(path), label), num_parallel_calls=tf.data.AUTOTUNE)

    def explain(self, error: Exception) -> ValueError:
        for path in self.paths:
            try:
                self.decode(tf.io.read_file(path))
            except (tf.errors.OpError, ValueError) as cause:
                return ValueError(f"file {_shown(path)} can't be read: {one_line(cause)}")
        return ValueError(f"images of {self.directory} can't be read: {one_line(error)}")


def from_folder(directory: str | os.PathLike, image_size: int | None = None, seed: int = 0
                ) -> tuple[ImageData, ImageData]:
    """Opens a directory of image files: `CLASS/FILE`, or `train/CLASS/FILE` beside `test/CLASS/FILE`.

    Without a folder for the test (`TEST_FOLDERS`) a fifth of every class is set apart for it, by `seed`: the
    same images in every run on the same files.

    Args:
        image_size: side in pixels that images are brought to; needed where they vary in size.
    Returns:
        Training images and test images.
    Raises:
        ValueError: there are no classes or only one, a class is empty or unknown to the training, a file is not a
            readable image, or sizes vary without `image_size`. OSError: a directory can't be read.
    """
    top = Path(directory).expanduser()
    folders = _folders(top)
    # A folder "train" of images is a class: of vehicles, say.
    if "train" in folders and _folders(top / "train"):
        train, names = _files(top / "train")
        beside = next((name for name in TEST_FOLDERS if name in folders), None)
        test = _files(top / beside, names)[0] if beside else None
        if others := sorted(set(folders) - {"train", beside}):
            console.say(f"note: beside {top / 'train'} {', '.join(others)} {'is' if len(others) == 1 else 'are'} not "
                       f"read; test images lie in one of {', '.join(TEST_FOLDERS)}")
    else:
        train, names = _files(top)
        test = None
    _check_classes(top, train, names)
    if test is None:
        train, test = _set_apart(train, names, seed)
    shape, vary = _shape_of([path for path, _ in [*train, *test]])
    digest = _digest(top, [path for path, _ in [*train, *test]])

    def records(split: str, files: list[tuple[Path, int]], stored: tuple[int, int, int], resize: bool) -> FileRecords:
        # Mixed, because what is read in order is shuffled a part at a time, and sampled from its beginning.
        order = np.random.RandomState(seed).permutation(len(files))
        return FileRecords(None, split, ("image", "label"), stored, resize, top,
                           tuple(os.fsencode(files[i][0]) for i in order), np.array([files[i][1] for i in order]),
                           tuple(names), digest)

    return described(lambda stored, resize: [records("train", train, stored, resize),
                                             records("test", test, stored, resize)], shape, vary, image_size,
                     f"the images of {top}")


def _digest(top: Path, paths: Sequence[Path]) -> str:
    """Says which images these are: SHA-256 of their names below `top`, their sizes and their first 64 kB, as reading
    all of a large set would take too long."""
    found = hashlib.sha256()
    for path in paths:
        found.update(b"%s %d\0" % (os.path.relpath(os.fsencode(path), os.fsencode(top)), path.stat().st_size))
        with open(path, "rb") as file:
            found.update(file.read(2**16))
    return found.hexdigest()


def _folders(directory: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and not entry.name.startswith("."))


def _files(directory: Path, names: Sequence[str] | None = None) -> tuple[list[tuple[Path, int]], Sequence[str]]:
    """(path, label) of the images in the folders of classes; `names` are those of the training."""
    found, passed_over = [], []
    folders = _folders(directory)
    if names is not None and (unknown := sorted(set(folders) - set(names))):
        raise ValueError(f"class {unknown[0]!r} of {directory} has no training images")
    names = names or folders
    for name in folders:
        files = sorted(e.name for e in os.scandir(directory / name) if not e.name.startswith(".") and e.is_file())
        images = [file for file in files if file.lower().endswith(ENDINGS)]
        passed_over += [directory / name / file for file in files if not file.lower().endswith(ENDINGS)]
        if not images:
            raise ValueError(f"class folder {name!r} in {directory} has no images ({', '.join(ENDINGS)})")
        found += [(directory / name / file, names.index(name)) for file in images]
    if passed_over:
        console.say(f"note: {len(passed_over)} files are no images by their names and are passed over, such as "
                   f"{_shown(os.fsencode(passed_over[0]))}")
    return found, names


def _check_classes(top: Path, train: list[tuple[Path, int]], names: Sequence[str]) -> None:
    if not names:
        raise ValueError("has no folders of classes: images belong in DIR/CLASS/, or in DIR/train/CLASS/ and "
                         "DIR/test/CLASS/")
    if len(names) < 2:
        raise ValueError(f"has only the class {names[0]!r}: two or more folders of classes are needed")
    counts = np.bincount([label for _, label in train], minlength=len(names))
    if counts.max() > UNBALANCED * counts.min():
        console.say(f"note: classes are unbalanced: {names[counts.argmax()]!r} has {counts.max()} training images, "
                   f"{names[counts.argmin()]!r} has {counts.min()}; accuracy says little of small classes")


def _set_apart(files: list[tuple[Path, int]], names: Sequence[str], seed: int) -> tuple[list, list]:
    """A fifth of every class for the test, chosen by names, so that images that come later move next to no others."""
    def draw(file):
        return hashlib.sha256(b"%d %s" % (seed, os.fsencode(file[0].name))).digest()

    train, test = [], []
    for label, name in enumerate(names):
        mine = sorted((file for file in files if file[1] == label), key=draw)
        if len(mine) < 2:
            raise ValueError(f"class {name!r} has one image: two or more are needed, for training and for the test")
        cut = max(1, round(len(mine) / 5))
        test += mine[:cut]
        train += mine[cut:]
    return train, test


def _shape_of(paths: list[Path]) -> tuple[tuple[int, int, int], str]:
    """Height, width and channels by the files' heads, and which two files differ in size, if any do."""
    first = size = None
    channels, vary = 1, ""
    for path in paths:
        try:
            with Image.open(path) as image:
                if image.format not in FORMATS:
                    raise ValueError(f"file {_shown(os.fsencode(path))} can't be read: it is {image.format}, and "
                                     f"{', '.join(FORMATS)} are understood")
                if image.mode not in GREY or image.format in ("BMP", "GIF"):  # TensorFlow brings these to no single one
                    channels = 3
                if size is None:
                    first, size = path, image.size
                elif image.size != size and not vary:
                    vary = (f"{_shown(os.fsencode(first))} has {size[0]}x{size[1]} pixels, "
                            f"{_shown(os.fsencode(path))} {image.size[0]}x{image.size[1]}")
        except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError):
            raise ValueError(f"file {_shown(os.fsencode(path))} can't be read: not an image") from None
        except OSError as error:
            raise ValueError(f"file {_shown(os.fsencode(path))} can't be read: {error.strerror or error}") from None
    return (size[1], size[0], channels), vary


def _shown(path: bytes) -> str:
    text = os.fsdecode(path)
    return text if text.isprintable() else repr(text)
