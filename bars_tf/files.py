"""Files that are either complete or absent: each is written beside its place and then renamed."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

MAX_JSON_BYTES = 1_000_000


def absolute(path: str) -> str:
    """The absolute form of a path, `~` expanded."""
    return os.path.abspath(os.path.expanduser(path))


@contextlib.contextmanager
def written_beside(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path to write to, which is renamed to `path` at the end of the block.

    If the block raises an error, the temporary file is removed. One that a killed process left is overwritten.

    Raises: OSError naming `path` if it cannot be written, as on a full disk.
    """
    path = Path(path)
    beside = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with open(beside, "rb+") as file:
            try:
                os.fsync(file.fileno())  # else a power cut could leave the name without the content
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # shared folders may not know it
                    raise
        os.replace(beside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError) and error.strerror:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def lock(file: IO) -> bool:
    """Locks an open file until it is closed or the process ends; False where another process has locked it. File
    systems of clusters and shared folders that have no locks are taken as they are.

    Raises: OSError.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
            raise
    return True


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file."""
    with written_beside(path) as beside:
        beside.write_bytes(content)


def write_json(path: str | os.PathLike, values: Any) -> None:
    """Writes values as indented JSON."""
    write_bytes(path, (json.dumps(values, indent=1) + "\n").encode())


def read_json(path: str | os.PathLike, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Reads a JSON file. Raises: ValueError naming the file if it is too large or not JSON; OSError."""
    if os.path.getsize(path) > max_bytes:
        raise ValueError(f"{path}: larger than {max_bytes} bytes, which no such file is")
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors begin with a byte-order mark
            return json.load(file)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from None


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
