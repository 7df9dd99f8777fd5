"""A search on a folder of image files."""

import json
import shutil

import pytest
from helpers import TINY, refused
from sample_images import write_folder

NAMES = ["<b>bold", "O'Neill & \"Söhne\"", "日本"]


@pytest.mark.long
def test_a_search_on_a_folder(tmp_path, program):
    """The whole way; names of classes are text in the report. A damaged file ends it in one line before the work."""
    write_folder(tmp_path / "images", NAMES, 60, size=(16, 16))
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
