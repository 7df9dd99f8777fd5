"""The image files of a directory, by their classes and splits.

The layout is that of TFDS's `ImageFolder`. The reader is our own, because `ImageFolder` skips empty classes and
unreadable files silently, and cannot split a folder into training and test images.
"""

import hashlib
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bars_tf import console
from bars_tf.data.image_files import EXTENSIONS, printable

TRAIN_FOLDERS = ("train", "training")  # in any case of letters
TEST_FOLDERS = ("test", "testing", "validation", "valid", "val")
# Written by archivers, file servers and file systems beside those of the user.
IGNORED_FOLDERS = ("__MACOSX", "@eaDir", "lost+found", "System Volume Information", "$RECYCLE.BIN")
MAX_IMBALANCE = 10  # ratio of the largest class to the smallest one, above which a note is shown
LAYOUT = "images belong in DIR/CLASS/, or in DIR/train/CLASS/ and DIR/test/CLASS/"


def find_images(top: Path, seed: int) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]], Sequence[str]]:
    """Finds the images `CLASS/FILE`, or `train/CLASS/FILE` and `test/CLASS/FILE`, and says what it leaves out.

    Without a folder of test images, a fifth of every class becomes the test images, by a hash of `seed` and file.

    Returns:
        (path, label) of the training images, the same of the test images, and the names of the classes.
    Raises:
        ValueError: there are fewer than two classes, a class has no training images, or folders have another layout.
        OSError: a directory can't be read.
    """
    folders = _folders(top)
    train_folder, test_folder = _named(folders, TRAIN_FOLDERS), _named(folders, TEST_FOLDERS)
    test, classes = None, top
    # A folder "train" that contains images and no folders is a class.
    if train_folder and _folders(top / train_folder):
        classes = top / train_folder
        train, names = _files(classes)
        if test_folder:
            test = _files(top / test_folder, names)[0]
        if others := sorted(set(folders) - {train_folder, test_folder}):
            console.say(f"note: beside {classes}, {', '.join(others)} {'is' if len(others) == 1 else 'are'} not read; "
                        f"test images lie in one of {', '.join(TEST_FOLDERS)}")
    elif test_folder and (train_folder or _folders(top / test_folder)):
        raise ValueError(f"has a folder {test_folder!r}, and beside it no folder 'train' with folders of classes: "
                         f"{LAYOUT}")
    else:
        train, names = _files(top)
        if top.name.lower() in TRAIN_FOLDERS and (beside := _named(_folders(top.parent), TEST_FOLDERS)):
            console.say(f"note: a fifth of {top} become the test images; {top.parent / beside} is not read, name "
                        f"{top.parent} for that")
    _check_classes(train, names)
    if test is None:
        train, test = _split_off_test(classes, train, names, seed)
    return train, test, names


def _folders(directory: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and not _is_ignored(entry.name))


def _is_ignored(folder: str) -> bool:
    return folder.startswith(".") or folder in IGNORED_FOLDERS


def _named(folders: Sequence[str], names: Sequence[str]) -> str | None:
    """The folder with the first of these names, in any case of letters."""
    return next((folder for name in names for folder in folders if folder.lower() == name), None)


def _files(directory: Path, names: Sequence[str] | None = None) -> tuple[list[tuple[Path, int]], Sequence[str]]:
    """(path, label) of all images, and the class names; `names` are those of the training images, if known."""
    folders = _folders(directory)
    loose = [Path(e) for e in os.scandir(directory) if _is_image(e.name) and not e.is_dir()]
    if not folders:
        raise ValueError(f"{directory} has {len(loose) or 'no'} images and no folders of classes: {LAYOUT}")
    if names is not None and (unknown := sorted(set(folders) - set(names))):
        near = next((name for name in names if _spelling(name) == _spelling(unknown[0])), None)
        raise ValueError(f"class {unknown[0]!r} of {directory} has no training images"
                         + (f"; {ascii(near)} differs in its spelling from {ascii(unknown[0])}" if near else ""))
    names = names or folders
    found, skipped, inner = [], [], []
    for name in folders:
        if not name.isprintable() and "\\udc" in ascii(name):
            raise ValueError(f"the name of class folder {name!r} in {directory} is not UTF-8: rename it")
        files = _walk(directory / name)
        images = [file for file in files if _is_image(file.name)]
        skipped += [file for file in files if not _is_image(file.name)]
        if not images:
            raise ValueError(f"class folder {name!r} in {directory} has no images ({', '.join(EXTENSIONS)})")
        inner.append([file for file in images if file.parent != directory / name])
        found += [(file, names.index(name)) for file in images]
    deeper = [file for files in inner for file in files]
    if len(deeper) == len(found):
        _check_depth(directory, inner)
    for files, what in ((loose, "of images lie beside the folders of classes and are not read"),
                        (skipped, "do not have the extension of an image and are skipped"),
                        (deeper, "of images lie deeper than in the folder of their class and are read")):
        if files:
            console.say(f"note: {len(files)} files {what}, such as {printable(min(files))}")
    if missing := sorted(set(names) - set(folders)):
        console.say(f"note: {directory} has no images of {', '.join(map(repr, missing))}")
    return found, names


def _spelling(name: str) -> str:
    """A name without what is hard to see: upper case, spaces around it, and how letters with accents are encoded."""
    return unicodedata.normalize("NFC", name).casefold().strip()


def _is_image(file: str) -> bool:
    return file.lower().endswith(EXTENSIONS) and not file.startswith(".")


def _walk(folder: Path) -> list[Path]:
    """All files below a folder but hidden ones; each folder once, whatever links lead to it, and none above it."""
    def fail(error: OSError):
        raise error

    above = map(os.stat, folder.absolute().parents)
    found, seen = [], {(status.st_dev, status.st_ino) for status in above}
    for root, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        status = os.stat(root)
        known = (status.st_dev, status.st_ino) in seen
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [] if known else sorted(name for name in folders if not _is_ignored(name))
        found += [Path(root, file) for file in sorted(files) if not known and not file.startswith(".")]
    return found


def _check_depth(directory: Path, inner: Sequence[Sequence[Path]]) -> None:
    """Raises a ValueError if the folders in `directory` hold the folders of classes, not the images.

    They do if it is only one, or if all have a folder of the same name.

    Args:
        inner: for each folder, its images, none of which lies in the folder itself.
    """
    common = set.intersection(*({file.parent.name for file in files} for files in inner))
    if not common:
        return
    file = min(inner[0])
    place = file.parent.parent
    if place.name.lower() in TRAIN_FOLDERS + TEST_FOLDERS:
        place = place.parent
    remedy = LAYOUT if _named(sorted(common), TRAIN_FOLDERS + TEST_FOLDERS) else (
        f"name the directory whose folders are the classes, such as {place}"
        + (", or name the folders of training and test images train and test" if len(inner) > 1 else ""))
    raise ValueError(f"images of {directory} lie one folder deeper than those of classes, such as {printable(file)}: "
                     f"{remedy}")


def _check_classes(train: list[tuple[Path, int]], names: Sequence[str]) -> None:
    if len(names) < 2:
        raise ValueError(f"has only the class {names[0]!r}: two or more folders of classes are needed")
    by_spelling = {}
    for name in names:
        if (other := by_spelling.setdefault(_spelling(name), name)) != name:
            console.say(f"note: classes {ascii(other)} and {ascii(name)} differ in their spelling alone")
    counts = np.bincount([label for _, label in train], minlength=len(names))
    if counts.max() > MAX_IMBALANCE * counts.min():
        console.say(f"note: classes are unbalanced: {names[counts.argmax()]!r} has {counts.max()} training images, "
                    f"{names[counts.argmin()]!r} has {counts.min()}; accuracy says little about small "
                    "classes, balanced_accuracy of summary.json does; --class_weights=balanced trains for it")


def _split_off_test(classes: Path, files: list[tuple[Path, int]], names: Sequence[str], seed: int
                    ) -> tuple[list, list]:
    """Splits a fifth of every class off as test images, by a hash of the file names: files that are added later leave
    nearly all others where they are."""
    def rank(file):
        name = file[0].relative_to(classes / names[file[1]])
        return hashlib.sha256(b"%d %s" % (seed, os.fsencode(name))).digest()

    train, test = [], []
    for label, name in enumerate(names):
        own = sorted((file for file in files if file[1] == label), key=rank)
        if len(own) < 2:
            raise ValueError(f"class {name!r} has one image: two or more are needed, for training and for the test")
        cut = max(1, round(len(own) / 5))
        test += own[:cut]
        train += own[cut:]
    return train, test
