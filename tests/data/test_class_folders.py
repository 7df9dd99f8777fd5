"""Layouts of folders of images: which are read, what is said of the rest, and what is refused."""

import os
import re

import pytest

from bars_tf.data.class_folders import find_images


def write(directory, *paths):
    for path in paths:
        file = directory / path
        if path.endswith("/"):
            file.mkdir(parents=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()


def images(*folders):
    return [f"{folder}/{i}.png" for folder in folders for i in range(2)]


def found(directory):
    train, test, names = find_images(directory, 0)
    return [sorted(str(path.relative_to(directory)) for path, _ in files) for files in (train, test)], list(names)


@pytest.mark.parametrize("train", ["train", "Train", "TRAIN", "training", "Training"])
@pytest.mark.parametrize("test", ["test", "Test", "testing", "Testing", "val", "Validation", "valid"])
def test_names_of_the_folders_of_the_splits(tmp_path, train, test, capfd):
    of_train, of_test = images(f"{train}/a", f"{train}/b"), images(f"{test}/a", f"{test}/b")
    write(tmp_path, *of_train, *of_test)
    assert found(tmp_path) == ([of_train, of_test], ["a", "b"])
    assert not capfd.readouterr().err


@pytest.mark.parametrize("paths, count, note", [
    (images("a", "b") + ["a/x/2.png"], 5, "1 files of images lie deeper .* are read, such as .*a/x/2.png"),
    (images("a", "b/x/y"), 4, "2 files of images lie deeper .*b/x/y/0.png"),
    (images("a/s1", "b/s2"), 4, "4 files of images lie deeper"),
    (images("a", "b") + ["0.png", "1.jpg"], 4, "2 files of images lie beside the folders of classes and are not read"),
    (images("a", "b") + ["a/x.heic", "b/Thumbs.db"], 4, "2 files do not have the extension"),
    (images("train/a", "train/b", "val/a", "val/b", "extra/a"), 8, "extra is not read; test images lie in one of test"),
    (images("train/a", "train/b", "val/a", "val/b", "test/a"), 6, "val is not read|test has no images of 'b'"),
    (images("train/a", "train/b", "test/a"), 6, "test has no images of 'b'"),
    (images("train", "b"), 4, ""),  # a class of trains
    (images("a", "a ", "b"), 6, "classes 'a' and 'a ' differ in their spelling alone"),
    (images("\u00e9", "e\u0301", "b"), 6, r"classes 'e\\u0301' and '\\xe9' differ in their spelling alone"),
    (images("a", "b") + [".hidden/0.png", "a/.ipynb_checkpoints/0.png", "a/._0.png", "__MACOSX/a/0.png",
                         "a/@eaDir/0.png/SYNOPHOTO_THUMB.jpg", "lost+found/", "$RECYCLE.BIN/desktop.ini"], 4, ""),
    (["a/0.PNG", "a/1.Jpeg", "b/0.tiff", "b/1.webp"], 4, ""),
    (images("a", "b") + ["a/x.jpg/2.png"], 5, "a/x.jpg/2.png"),
])
def test_what_is_read_and_what_is_said(tmp_path, paths, count, note, capfd):
    write(tmp_path, *paths)
    (train, test), _ = found(tmp_path)
    said = capfd.readouterr().err
    assert len(train) + len(test) == count
    assert re.search(note, said) if note else not said


@pytest.mark.parametrize("paths, words", [
    (images("train/a", "train/b") + ["test/"], "test has no images and no folders of classes"),
    (images("train/a", "train/b") + ["test/0.png"], "test has 1 images and no folders of classes"),
    (images("train", "test"), "has a folder 'test'.*no folder 'train' with folders of classes"),
    (images("cat", "dog", "test/cat"), "has a folder 'test'.*no folder 'train'"),
    (images("Learn/a", "Learn/b", "Exam/a", "Exam/b"),
     "deeper .*Exam/a/0.png: name the directory .*/Exam, or name the folders of .* train and test$"),
    (images("data/a", "data/b"), "deeper .*: name the directory whose folders are the classes, such as .*/data$"),
    (images("data/Train/a", "data/Train/b", "data/Test/a"), "deeper .* such as .*/data$"),
    (images("a/train", "a/test", "b/train", "b/test"), "deeper .*: images belong in DIR/CLASS/"),
    (["0.png", "1.png"], "has 2 images and no folders of classes"), ([], "has no images and no folders of classes"),
    (images("a", "b") + ["c/"], "class folder 'c' .* has no images"),
    (images("a", "b") + ["c/x.heic"], "class folder 'c' .* has no images"),
    (images("a"), "only the class 'a'"), (images("train/a"), "only the class 'a'"),
    (images("train/a", "train/b", "test/c"), "class 'c' of .*test has no training images$"),
    (images("train/Cat", "train/b", "test/cat"), "class 'cat' of .* no training images; 'Cat' differs in its spelling"),
    (images("train/e\u0301", "train/b", "test/\u00e9"), r"no training images; 'e\\u0301' differs in its spelling"),
    (images("train/a", "train/b", "test/a") + ["test/b/"], "class folder 'b' in .*test has no images"),
    (images("a") + ["b/0.png"], "class 'b' has one image"),
    (images("a", os.fsdecode(b"b\xff")), "not UTF-8: rename it"),
])
def test_what_is_refused(tmp_path, paths, words):
    write(tmp_path, *paths)
    with pytest.raises(ValueError, match=words):
        find_images(tmp_path, 0)


def test_no_directory(tmp_path):
    write(tmp_path, "images.zip")
    for path in (tmp_path / "images.zip", tmp_path / "gone"):
        with pytest.raises(OSError, match=path.name):
            find_images(path, 0)


def test_the_folder_of_the_training_images_in_place_of_the_one_above(tmp_path, capfd):
    write(tmp_path, *images("train/a", "train/b", "test/a", "test/b"))
    (train, test), _ = found(tmp_path / "train")
    assert (len(train), len(test)) == (2, 2)
    assert f"{tmp_path / 'test'} is not read, name {tmp_path} for that" in capfd.readouterr().err


def test_links_to_folders(tmp_path):
    write(tmp_path, *images("store/a", "store/b"))
    (tmp_path / "top").mkdir()
    for name in "ab":
        (tmp_path / "top" / name).symlink_to(tmp_path / "store" / name)
    (tmp_path / "store" / "a" / "again").symlink_to(tmp_path / "store" / "a")  # a circle
    (tmp_path / "store" / "a" / "above").symlink_to(tmp_path / "top")  # which would make images of b some of a
    assert sum(map(len, found(tmp_path / "top")[0])) == 4


def test_files_below_a_class_are_split_by_their_own_paths(tmp_path):
    write(tmp_path, *(f"{name}/{person}/0.png" for name in "ab" for person in range(20)), *images("a", "b"))
    _, test = found(tmp_path)[0]
    assert {len([path for path in test if path[0] == name]) for name in "ab"} == {4}
