"""Images of one's own: folders of files and Python functions, and what is refused in them."""

import json
import shutil

import numpy as np
import pytest
from helpers import TINY, refused
from PIL import Image

import bars_tf as bars
from bars_tf.data import function as own_data
from bars_tf.legacy_keras import tf

NAMES = ["<b>bold", "O'Neill & \"Söhne\"", "日本"]


def write_images(directory, names, count, size=(12, 10), seed=0, mode="L"):
    """Images whose mean tells their class."""
    rng = np.random.default_rng(seed)
    for label, name in enumerate(names):
        (directory / name).mkdir(parents=True)
        for i in range(count):
            shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
            pixels = rng.integers(60 * label, 60 * label + 60, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(directory / name / f"{i}.png")


def test_one_folder_is_split_the_same_way_always(tmp_path):
    write_images(tmp_path, NAMES, 10)
    (tmp_path / NAMES[0] / ".hidden").write_text("")
    train, test = own_data.from_folder(tmp_path)
    assert train.class_names == tuple(sorted(NAMES)) and train.image_shape == (10, 12, 1)
    assert (train.num_images, test.num_images) == (24, 6)
    assert np.bincount(test.records.labels).tolist() == [2, 2, 2]
    assert not set(train.records.paths) & set(test.records.paths)
    again = own_data.from_folder(tmp_path)[1]
    assert again.records.paths == test.records.paths and again.sha256 == test.sha256
    shutil.copy(tmp_path / NAMES[0] / "0.png", tmp_path / NAMES[0] / "new.png")
    assert own_data.from_folder(tmp_path)[1].sha256 != test.sha256
    (tmp_path / NAMES[0] / "new.png").unlink()
    assert own_data.from_folder(tmp_path)[1].sha256 == test.sha256
    digests = []
    for shade in (10, 20):  # of the same names and sizes
        Image.new("L", (12, 10), shade).save(tmp_path / NAMES[0] / "new.bmp")
        coloured, _ = own_data.from_folder(tmp_path)
        assert coloured.image_shape == (10, 12, 3)  # grey, but TensorFlow has three channels of such files
        digests.append(coloured.sha256)
    assert len({*digests, train.sha256}) == 3
    for data in (train, test):
        images, labels = next(iter(bars.data.batches(data, 6)))
        assert images.shape == (6, 10, 12, 1)
        raw = (np.array(images) * data.std + data.mean) * 255
        found = [data.class_names[label] for label in labels.numpy()]
        assert found == [NAMES[int(mean // 60)] for mean in raw.mean((1, 2, 3))]


def test_images_that_come_later_move_next_to_no_others(tmp_path):
    """Else a network that was trained before is tested on images that it has learnt."""
    write_images(tmp_path, ["a", "b"], 30)

    def parts():
        return [set(part.records.paths) for part in own_data.from_folder(tmp_path)]

    train, _ = parts()
    for name in ("a", "b"):
        shutil.copy(tmp_path / name / "0.png", tmp_path / name / "+new.png")
    assert len(parts()[1] & train) <= 2


def test_other_folders_beside_those_of_training_are_told(tmp_path, capfd):
    for name, count in (("train", 6), ("valid", 4), ("extra", 2)):
        write_images(tmp_path / name, ["a", "b"], count)
    train, test = own_data.from_folder(tmp_path)
    assert (train.num_images, test.num_images) == (12, 8)
    assert "extra is not read; test images lie in one of test, validation, valid, val" in capfd.readouterr().err


def test_train_and_test_folders(tmp_path):
    write_images(tmp_path / "train", ["a", "b"], 5, mode="RGB")
    write_images(tmp_path / "test", ["a", "b"], 3, mode="RGB", size=(30, 40))
    with pytest.raises(ValueError, match="vary in size .*12x10.*30x40.*image_size"):
        own_data.from_folder(tmp_path)
    train, test = own_data.from_folder(tmp_path, image_size=16)
    assert (train.num_images, test.num_images, train.image_shape) == (10, 6, (16, 16, 3))
    assert next(iter(bars.data.batches(test, 2)))[0].shape == (2, 16, 16, 3)


def test_images_that_do_not_fit_in_memory(tmp_path, monkeypatch):
    write_images(tmp_path, ["a", "b"], 10)
    train, _ = own_data.from_folder(tmp_path)
    stored = next(iter(bars.data.batches(train, 16)))
    monkeypatch.setattr("bars_tf.data.records.MEMORY_LIMIT", 0)
    streamed = next(iter(bars.data.batches(own_data.from_folder(tmp_path)[0], 16)))
    assert all(np.array_equal(a, b) for a, b in zip(stored, streamed))


def damage(directory, kind):
    write_images(directory, ["a", "b"], 4)
    if kind == "empty class":
        (directory / "c").mkdir()
    elif kind == "one class":
        shutil.rmtree(directory / "b")
    elif kind == "no class":
        shutil.rmtree(directory / "a")
        shutil.rmtree(directory / "b")
    elif kind == "text":
        (directory / "a" / "x.png").write_text("no image")
    elif kind == "empty file":
        (directory / "a" / "x.jpg").touch()
    elif kind == "cut off":
        content = (directory / "a" / "1.png").read_bytes()
        (directory / "a" / "1.png").write_bytes(content[:len(content) // 2])
    elif kind == "webp":
        Image.new("L", (12, 10)).save(directory / "a" / "x.jpg", format="webp")
    elif kind == "one image":
        for i in range(3):
            (directory / "a" / f"{i}.png").unlink()
    elif kind == "unknown test class":
        shutil.move(directory / "a", directory / "train" / "a")
        shutil.move(directory / "b", directory / "train" / "b")
        shutil.copytree(directory / "train" / "a", directory / "test" / "z")
    elif kind == "tiny":
        shutil.rmtree(directory / "a")
        write_images(directory / "more", ["a"], 3, size=(4, 4))
        shutil.rmtree(directory / "b")
        shutil.move(directory / "more" / "a", directory / "a")
        shutil.copytree(directory / "a", directory / "b")
        shutil.rmtree(directory / "more")


@pytest.mark.parametrize("kind, words", [
    ("empty class", ["class folder 'c'", "no images"]), ("one class", ["only the class 'a'"]),
    ("no class", ["no folders of classes"]), ("text", ["a/x.png", "not an image"]),
    ("empty file", ["a/x.jpg", "not an image"]), ("cut off", ["a/1.png", "can't be read"]),
    ("webp", ["a/x.jpg", "WEBP", "JPEG"]), ("one image", ["'a' has one image"]),
    ("unknown test class", ["'z'", "no training images"]), ("tiny", ["4x4", "image_size"]),
])
def test_bad_folders(tmp_path, kind, words):
    damage(tmp_path, kind)
    with pytest.raises(ValueError) as caught:
        for data in own_data.from_folder(tmp_path):
            list(bars.data.batches(data, 2))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unbalanced_classes_and_other_files_are_told(tmp_path, capfd):
    write_images(tmp_path, ["a"], 30)
    write_images(tmp_path / "x", ["b"], 2)
    shutil.move(tmp_path / "x" / "b", tmp_path / "b")
    (tmp_path / "x").rmdir()
    (tmp_path / "a" / "notes.txt").write_text("")
    own_data.from_folder(tmp_path)
    told = capfd.readouterr().err
    assert "unbalanced: 'a' has 30" in told and "notes.txt" in told


@pytest.mark.long
def test_a_search_on_a_folder(tmp_path, program):
    """The whole way; names of classes are text in the report. A damaged file ends it in one line before the work."""
    write_images(tmp_path / "images", NAMES, 60, size=(16, 16))
    flags = [*TINY, f"--image_dir={tmp_path / 'images'}", "--batch_size=16", "--train_batch_size=16",
             "--validation_split=0.3", "--search_epochs=2", "--train_epochs=1"]
    done = program("search", *flags, f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "work" / "summary.json").read_text())
    assert summary["dataset"] == "images" and summary["class_names"] == sorted(NAMES)
    assert summary["test_images"] == 36
    page = (tmp_path / "work" / "report.html").read_text()
    assert "&lt;b&gt;bold" in page and "<b>" not in page and "日本" in page
    (tmp_path / "images").rename(tmp_path / "moved")
    again = [*(flag for flag in flags if "image_dir" not in flag), f"--workdir={tmp_path / 'work'}"]
    done = program("search", *again, f"--image_dir={tmp_path / 'moved'}")
    assert done.returncode == 0, done.stderr
    shutil.copy(tmp_path / "moved" / NAMES[0] / "0.png", tmp_path / "moved" / NAMES[0] / "new.png")
    refused(program("search", *again, f"--image_dir={tmp_path / 'moved'}"), ["--image_dir", "other images than those"])
    (tmp_path / "moved").rename(tmp_path / "images")
    (tmp_path / "images" / NAMES[2] / "7.png").write_bytes(b"\x89PNG")
    refused(program("search", *flags, f"--workdir={tmp_path / 'other'}"), ["--image_dir", "7.png", "not an image"])
    refused(program("search", *TINY, f"--image_dir={tmp_path / 'none'}"), ["--image_dir", "No such file"])


def test_a_function_that_returns_tf_data(rng):
    images = rng.integers(0, 256, (40, 14, 14, 3), dtype=np.uint8)
    labels = np.arange(40) % 3

    def load(split):
        part = slice(0, 30) if split == "train" else slice(30, 40)
        return tf.data.Dataset.from_tensor_slices((images[part], labels[part]))

    train, test = own_data.from_function(load, NAMES)
    assert (train.num_images, test.num_images, train.image_shape) == (30, 10, (14, 14, 3))
    assert test.class_names == tuple(NAMES)
    x, y = next(iter(bars.data.batches(test, 10)))
    assert y.numpy().tolist() == labels[30:].tolist()
    raw = x.numpy() * np.array(test.std) + np.array(test.mean)
    assert np.abs(raw * 255 - images[30:]).max() < 1e-2
    small, _ = own_data.from_function(load, image_size=8)
    assert next(iter(bars.data.batches(small, 5, training=True)))[0].shape == (5, 8, 8, 3)


@pytest.mark.parametrize("change, words", [
    (lambda d: d.batch(2), "not batched"), (lambda d: d.take(0), "no images"),
    (lambda d: d.map(lambda x, y: (tf.cast(x, tf.float32), y)), "uint8"), (lambda d: 3, "int"),
    (lambda d: d.map(lambda x, y: (x, y - 5)), "counts? from 0|labels count"),
    (lambda d: d.map(lambda x, y: (x, y + 9)), "labels reach to"),
])
def test_bad_functions(change, words):
    dataset = tf.data.Dataset.from_tensor_slices((np.zeros((6, 9, 9, 1), np.uint8), np.arange(6) % 2))
    with pytest.raises(ValueError, match=words):
        own_data.from_function(lambda split: change(dataset), ["a", "b"])
