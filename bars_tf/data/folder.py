"""Image files in one folder per class.

The layout is that of TFDS's `ImageFolder`. The reader is our own, because `ImageFolder` skips empty classes and
unreadable files silently, and cannot split a folder into training and test images.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from bars_tf import console
from bars_tf.data.image_data import ImageData, build_image_data
from bars_tf.data.records import UserRecords
from bars_tf.errors import one_line
from bars_tf.legacy_keras import tf

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
FORMATS = ("BMP", "GIF", "JPEG", "PNG")  # that TensorFlow decodes
GREY_MODES = ("1", "L", "I;16")  # of Pillow
TEST_FOLDERS = ("test", "validation", "valid", "val")
MAX_IMBALANCE = 10  # ratio of the largest class to the smallest one, above which a note is shown


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
        files = tf.data.Dataset.from_tensor_slices((tf.constant(self.paths), tf.constant(self.labels)))
        return files.map(lambda path, label: (tf.io.read_file(path), label), num_parallel_calls=tf.data.AUTOTUNE)

    def diagnose(self, error: Exception) -> ValueError:
        for path in self.paths:
            try:
                self.decode(tf.io.read_file(path))
            except (tf.errors.OpError, ValueError) as cause:
                return ValueError(f"file {_printable(path)} can't be read: {one_line(cause)}")
        return ValueError(f"images of {self.directory} can't be read: {one_line(error)}")


def from_folder(directory: str | os.PathLike, image_size: int | None = None, seed: int = 0
                ) -> tuple[ImageData, ImageData]:
    """Opens a directory of image files: `CLASS/FILE`, or `train/CLASS/FILE` and `test/CLASS/FILE`.

    Args:
        directory: the directory. The folder of the test images may have any name of `TEST_FOLDERS`; without one, a
            fifth of every class becomes the test images.
        image_size: side in pixels that images are resized to; required if they vary in size.
        seed: seed of the order of the images, and of the choice of the test images.
    Returns:
        Training images and test images.
    Raises:
        ValueError: there are fewer than two classes, a class has no training images, a file is not a readable image,
            or sizes vary without `image_size`.
        OSError: a directory can't be read.
    """
    top = Path(directory).expanduser()
    folders = _folders(top)
    # A folder "train" that contains images and no folders is a class.
    if "train" in folders and _folders(top / "train"):
        train, names = _files(top / "train")
        beside = next((name for name in TEST_FOLDERS if name in folders), None)
        test = _files(top / beside, names)[0] if beside else None
        if others := sorted(set(folders) - {"train", beside}):
            console.say(f"note: beside {top / 'train'}, {', '.join(others)} {'is' if len(others) == 1 else 'are'} not "
                        f"read; test images lie in one of {', '.join(TEST_FOLDERS)}")
    else:
        train, names = _files(top)
        test = None
    _check_classes(top, train, names)
    if test is None:
        train, test = _split_off_test(train, names, seed)
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


def _folders(directory: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and not entry.name.startswith("."))


def _files(directory: Path, names: Sequence[str] | None = None) -> tuple[list[tuple[Path, int]], Sequence[str]]:
    """(path, label) of all images, and the class names; `names` are those of the training images, if known."""
    found, skipped = [], []
    folders = _folders(directory)
    if names is not None and (unknown := sorted(set(folders) - set(names))):
        raise ValueError(f"class {unknown[0]!r} of {directory} has no training images")
    names = names or folders
    for name in folders:
        files = sorted(e.name for e in os.scandir(directory / name) if not e.name.startswith(".") and e.is_file())
        images = [file for file in files if file.lower().endswith(EXTENSIONS)]
        skipped += [directory / name / file for file in files if not file.lower().endswith(EXTENSIONS)]
        if not images:
            raise ValueError(f"class folder {name!r} in {directory} has no images ({', '.join(EXTENSIONS)})")
        found += [(directory / name / file, names.index(name)) for file in images]
    if skipped:
        console.say(f"note: {len(skipped)} files do not have the extension of an image and are skipped, such as "
                    f"{_printable(os.fsencode(skipped[0]))}")
    return found, names


def _check_classes(top: Path, train: list[tuple[Path, int]], names: Sequence[str]) -> None:
    if not names:
        raise ValueError("has no folders of classes: images belong in DIR/CLASS/, or in DIR/train/CLASS/ and "
                         "DIR/test/CLASS/")
    if len(names) < 2:
        raise ValueError(f"has only the class {names[0]!r}: two or more folders of classes are needed")
    counts = np.bincount([label for _, label in train], minlength=len(names))
    if counts.max() > MAX_IMBALANCE * counts.min():
        console.say(f"note: classes are unbalanced: {names[counts.argmax()]!r} has {counts.max()} training images, "
                    f"{names[counts.argmin()]!r} has {counts.min()}; accuracy says little about small classes")


def _split_off_test(files: list[tuple[Path, int]], names: Sequence[str], seed: int) -> tuple[list, list]:
    """Splits a fifth of every class off as test images, by a hash of the file names: files that are added later leave
    nearly all others where they are."""
    def rank(file):
        return hashlib.sha256(b"%d %s" % (seed, os.fsencode(file[0].name))).digest()

    train, test = [], []
    for label, name in enumerate(names):
        own = sorted((file for file in files if file[1] == label), key=rank)
        if len(own) < 2:
            raise ValueError(f"class {name!r} has one image: two or more are needed, for training and for the test")
        cut = max(1, round(len(own) / 5))
        test += own[:cut]
        train += own[cut:]
    return train, test


def _shape_of(paths: list[Path]) -> tuple[tuple[int, int, int], str]:
    """(height, width, channels) by the headers of the files, and an example of files that differ in size, if any do."""
    first = size = None
    channels, varying = 1, ""
    for path in paths:
        try:
            with Image.open(path) as image:
                if image.format not in FORMATS:
                    raise ValueError(f"file {_printable(os.fsencode(path))} can't be read: its format is "
                                     f"{image.format}; {', '.join(FORMATS)} are supported")
                # TensorFlow decodes grey BMP and GIF files to three channels only.
                if image.mode not in GREY_MODES or image.format in ("BMP", "GIF"):
                    channels = 3
                if size is None:
                    first, size = path, image.size
                elif image.size != size and not varying:
                    varying = (f"{_printable(os.fsencode(first))} has {size[0]}x{size[1]} pixels, "
                               f"{_printable(os.fsencode(path))} {image.size[0]}x{image.size[1]}")
        except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError):
            raise ValueError(f"file {_printable(os.fsencode(path))} can't be read: not an image") from None
        except OSError as error:
            reason = error.strerror or error
            raise ValueError(f"file {_printable(os.fsencode(path))} can't be read: {reason}") from None
    return (size[1], size[0], channels), varying


def _printable(path: bytes) -> str:
    text = os.fsdecode(path)
    return text if text.isprintable() else repr(text)
