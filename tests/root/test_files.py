import errno
import fcntl
import os

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


def test_a_byte_order_mark(tmp_path):
    """As editors on Windows write it."""
    (tmp_path / "values.json").write_text("[1]", encoding="utf-8-sig")
    assert files.read_json(tmp_path / "values.json") == [1]


def _fails(number):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    return fail


def test_file_systems_that_cannot_write_through(tmp_path, monkeypatch):
    """Folders of virtual machines and of Samba (go-ethereum#2257); a failure to write is none of them."""
    monkeypatch.setattr(os, "fsync", _fails(errno.EINVAL))
    files.write_json(tmp_path / "values.json", [1])
    assert files.read_json(tmp_path / "values.json") == [1]
    monkeypatch.setattr(os, "fsync", _fails(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        files.write_json(tmp_path / "other.json", [1])
    assert os.listdir(tmp_path) == ["values.json"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_file_systems_without_locks(number, tmp_path, monkeypatch):
    """Lustre and NFS, as they may be mounted (filelock#67)."""
    with open(tmp_path / "lock", "w") as file, open(tmp_path / "lock") as again:
        assert files.lock(file) and not files.lock(again)
        monkeypatch.setattr(fcntl, "flock", _fails(number))
        assert files.lock(file)
