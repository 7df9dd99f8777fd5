"""Image files in one folder per class, and what is refused in them."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from sample_images import write_folder

from bars_tf.data.folder import from_folder
from bars_tf.data.pipeline import batches

NAMES = ["<b>bold", "O'Neill & \"Söhne\"", "日本"]


def test_one_folder_is_split_the_same_way_always(tmp_path):
    write_folder(tmp_path, NAMES, 10)
    (tmp_path / NAMES[0] / ".hidden").write_text("")
    train, test = from_folder(tmp_path)
    assert train.class_names == tuple(sorted(NAMES)) and train.image_shape == (10, 12, 1)
    assert (train.num_images, test.num_images) == (24, 6)
    assert np.bincount(test.records.labels).tolist() == [2, 2, 2]
    assert not set(train.records.paths) & set(test.records.paths)
    again = from_folder(tmp_path)[1]
    assert again.records.paths == test.records.paths and again.sha256 == test.sha256
    shutil.copy(tmp_path / NAMES[0] / "0.png", tmp_path / NAMES[0] / "new.png")
    assert from_folder(tmp_path)[1].sha256 != test.sha256
    (tmp_path / NAMES[0] / "new.png").unlink()
    assert from_folder(tmp_path)[1].sha256 == test.sha256
    digests = []
    for shade in (10, 20):  # of the same names and sizes
        Image.new("L", (12, 10), shade).save(tmp_path / NAMES[0] / "new.bmp")
        digests.append(from_folder(tmp_path)[0].sha256)
    assert len({*digests, train.sha256}) == 3
    for data in (train, test):
        images, labels = next(iter(batches(data, 6)))
        assert images.shape == (6, 10, 12, 1)
        raw = (np.array(images) * data.std + data.mean) * 255
        found = [data.class_names[label] for label in labels.numpy()]
        assert found == [NAMES[int(mean // 60)] for mean in raw.mean((1, 2, 3))]


def test_added_files_leave_nearly_all_others_in_their_split(tmp_path):
    """Otherwise a network that was trained before would be tested on its training images."""
    write_folder(tmp_path, ["a", "b"], 30)

    def parts():
        return [set(part.records.paths) for part in from_folder(tmp_path)]

    train, _ = parts()
    for name in ("a", "b"):
        shutil.copy(tmp_path / name / "0.png", tmp_path / name / "+new.png")
    assert len(parts()[1] & train) <= 2


def test_train_and_test_folders(tmp_path):
    write_folder(tmp_path / "train", ["a", "b"], 5, mode="RGB")
    write_folder(tmp_path / "test", ["a", "b"], 3, mode="RGB", size=(30, 40))
    with pytest.raises(ValueError, match="vary in size .*12x10.*30x40.*image_size"):
        from_folder(tmp_path)
    train, test = from_folder(tmp_path, image_size=16)
    assert (train.num_images, test.num_images, train.image_shape) == (10, 6, (16, 16, 3))
    assert next(iter(batches(test, 2)))[0].shape == (2, 16, 16, 3)


def test_files_are_read_as_pillow_reads_them(tmp_path):
    write_folder(tmp_path, ["a", "é b\nc"], 3, mode="RGB", size=(12, 12))
    image = Image.open(tmp_path / "a" / "0.png")
    image.quantize(16).save(tmp_path / "a" / "palette.BMP")
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save(tmp_path / "a" / "turned\n.jpg", exif=turned)
    image.convert("CMYK").save(tmp_path / "a" / "cmyk.jpeg")
    image.convert("I;16").save(tmp_path / "a" / "deep.png")
    image.save(tmp_path / os.fsdecode(b"a/\xff.webp"), lossless=True)
    (tmp_path / "a" / "link.png").symlink_to(tmp_path / "é b\nc" / "1.png")
    count = 0
    for data in from_folder(tmp_path):
        for path, pixels in zip(data.records.paths, data.records.in_memory[0].numpy(), strict=True):
            file = Image.open(path)
            expected = ImageOps.exif_transpose(file).convert("RGB")
            if file.mode == "I;16":
                expected = Image.fromarray((np.asarray(file) >> 8).astype(np.uint8)).convert("RGB")
            assert np.array_equal(pixels, np.asarray(expected)), path
            count += 1
    assert count == 12


def test_a_file_that_changed_after_its_header_was_read_is_named(tmp_path):
    write_folder(tmp_path, ["a", "b"], 4)
    train, _ = from_folder(tmp_path, image_size=None)
    path = Path(os.fsdecode(train.records.paths[0]))
    train.records.__dict__.pop("in_memory", None)
    Image.new("L", (12, 11)).save(path)
    with pytest.raises(ValueError, match=f"{path.name} has 12x11 pixels; it had 12x10"):
        _ = train.records.in_memory


def test_images_that_do_not_fit_in_memory(tmp_path, monkeypatch):
    write_folder(tmp_path, ["a", "b"], 10)
    train, _ = from_folder(tmp_path)
    stored = next(iter(batches(train, 16)))
    monkeypatch.setattr("bars_tf.data.records.MEMORY_LIMIT", 0)
    streamed = next(iter(batches(from_folder(tmp_path)[0], 16)))
    assert all(np.array_equal(a, b) for a, b in zip(stored, streamed))


def damage(directory, kind):
    write_folder(directory, ["a", "b"], 4)
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
    elif kind == "icon":
        Image.new("L", (16, 16)).save(directory / "a" / "x.jpg", format="ico")
    elif kind == "one image":
        for i in range(3):
            (directory / "a" / f"{i}.png").unlink()
    elif kind == "unknown test class":
        shutil.move(directory / "a", directory / "train" / "a")
        shutil.move(directory / "b", directory / "train" / "b")
        shutil.copytree(directory / "train" / "a", directory / "test" / "z")
    elif kind == "tiny":
        shutil.rmtree(directory / "a")
        write_folder(directory / "more", ["a"], 3, size=(4, 4))
        shutil.rmtree(directory / "b")
        shutil.move(directory / "more" / "a", directory / "a")
        shutil.copytree(directory / "a", directory / "b")
        shutil.rmtree(directory / "more")


@pytest.mark.parametrize("kind, words", [
    ("empty class", ["class folder 'c'", "no images"]), ("one class", ["only the class 'a'"]),
    ("no class", ["no folders of classes"]), ("text", ["a/x.png", "not an image"]),
    ("empty file", ["a/x.jpg", "empty"]), ("cut off", ["a/1.png", "can't be read"]),
    ("icon", ["a/x.jpg", "ICO", "JPEG"]), ("one image", ["'a' has one image"]),
    ("unknown test class", ["'z'", "no training images"]), ("tiny", ["4x4", "image_size"]),
])
def test_bad_folders(tmp_path, kind, words):
    damage(tmp_path, kind)
    with pytest.raises(ValueError) as caught:
        for data in from_folder(tmp_path):
            list(batches(data, 2))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unbalanced_classes_and_other_files_are_reported(tmp_path, capfd):
    write_folder(tmp_path, ["a"], 30)
    write_folder(tmp_path / "x", ["b"], 2)
    shutil.move(tmp_path / "x" / "b", tmp_path / "b")
    (tmp_path / "x").rmdir()
    (tmp_path / "a" / "notes.txt").write_text("")
    from_folder(tmp_path)
    notes = capfd.readouterr().err
    assert "unbalanced: 'a' has 30" in notes and "notes.txt" in notes


@pytest.mark.parametrize("extension, options, mode, note", [
    ("gif", {"save_all": True}, "L", "1 files have several images, of which the first is read, such as .*x.gif"),
    ("tif", {"save_all": True}, "L", "1 files have several images"),
    ("webp", {"save_all": True}, "L", "1 files have several images"),
    ("mpo", {"save_all": True}, "RGB", "^$"),  # a photograph with its preview
    ("png", {}, "I;16", "1 images have 16 bits, of which the higher 8 are used, such as .*x.png"),
    ("png", {}, "LA", "1 images have transparency, which is ignored, such as .*x.png"),
])
def test_what_is_not_read_of_a_file_is_said(tmp_path, capfd, extension, options, mode, note):
    write_folder(tmp_path, ["a", "b"], 4)
    image = Image.open(tmp_path / "a" / "0.png").convert(mode)
    more = {"append_images": [image.rotate(180)]} if options else {}
    image.save(tmp_path / "a" / f"x.{extension}", **options, **more)
    from_folder(tmp_path)
    assert re.search(note, capfd.readouterr().err)
