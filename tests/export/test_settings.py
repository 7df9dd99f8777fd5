"""Settings of an export: names and outputs that are refused."""

import pytest

from bars_tf.errors import InputError
from bars_tf.export.settings import ExportSettings


@pytest.mark.parametrize("name", ["", "1net", "net-1", "a/b", "../net", "a\nb", 'a"b', "class", "match", "print", "tf",
                                  "model", "Model", "CELLS", "tensorflow", "larq", "json", "näme", "a" * 65])
def test_names_that_are_refused(name):
    with pytest.raises(InputError) as error:
        ExportSettings(name, "out")
    assert error.value.flag == "name"


def test_words_of_c_are_refused_where_c_is_written():
    for name in ("void", "extern", "restrict"):
        for formats in (None, ("c",), ("tflite", "c")):
            with pytest.raises(InputError, match=f"--name={name}: is a word of C"):
                ExportSettings(name, "out", formats)
        ExportSettings(name, "out", ("zoo", "tflite"))
    ExportSettings("print", "out", ("c",))  # which Python alone has


def test_names_that_are_taken():
    for name in ("my_net", "QuickerNet", "a" * 64):
        ExportSettings(name, "out")


def test_output_with_files_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for output, reason in ((tmp_path, "has files already"), (tmp_path / "notes.txt", "is a file")):
        with pytest.raises(InputError, match=reason) as error:
            ExportSettings("net", str(output))
        assert error.value.flag == "output"
    ExportSettings("net", str(tmp_path), overwrite=True)
    ExportSettings("net", str(tmp_path / "new"))
