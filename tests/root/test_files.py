import pytest

from bars_tf import files


def test_a_file_is_complete_or_absent(tmp_path):
    path = tmp_path / "below" / "values.json"
    files.write_json(path, {"a": [1.5, None]})
    with pytest.raises(KeyboardInterrupt), files.written_beside(path) as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    assert files.read_json(path) == {"a": [1.5, None]} and list(path.parent.iterdir()) == [path]
    assert files.sha256(path).startswith("9445a4d7491a")


@pytest.mark.parametrize("text, words", [("{", "not JSON"), ("[" * 100_000, "not JSON"), (" " * 1_000_001, "larger")])
def test_json_that_cannot_be_read(tmp_path, text, words):
    path = tmp_path / "values.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"^{path}: .*{words}"):
        files.read_json(path)


def test_an_error_names_the_file_that_was_meant(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory") as error:
        files.write_bytes(tmp_path / "file" / "below" / "x", b"")
    assert error.value.filename == str(tmp_path / "file" / "below" / "x")
