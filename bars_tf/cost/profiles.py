"""Profiles of `lce_benchmark_model`, read back to times of operations.

A directory of `bin/device --layers` has `layers.json`, which lists the operations of every `.tflite` file, and for each
file that was timed a profile NAME.csv, or NAME.txt with the tool's standard output.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from bars_tf.cost.operation import Operation
from bars_tf.files import read_json

MANIFEST, FORMAT, ABOUT = "layers.json", "bars_tf.layers/1", "about.txt"
# What the float operations between two binary ones appear as with XNNPACK.
DELEGATE = "TfLiteXNNPackDelegate"
SECTION = re.compile(r"=+ (.+?) =+")
MAX_BYTES = 2**24


@dataclasses.dataclass(frozen=True)
class Profiles:
    """What was measured.

    Attributes:
        times: microseconds of single operations.
        networks: by name, the operations of whole networks and their microseconds.
        missing: names of files without a profile.
        about: how it was measured, as the script wrote it down.
    """

    times: dict[Operation, float]
    networks: dict[str, tuple[list[Operation], float]]
    missing: list[str]
    about: dict[str, str]


def manifest(files: dict[str, list[Operation]], networks: dict[str, list[Operation]]) -> dict:
    """The content of `layers.json`."""
    return {"format": FORMAT, "files": {name: list(map(list, ops)) for name, ops in files.items()},
            "networks": {name: list(map(list, ops)) for name, ops in networks.items()}}


def read(directory: Path) -> Profiles:
    """Reads all profiles of a directory.

    Raises: ValueError naming a file that is cut off, damaged or a profile of another model; OSError.
    """
    files, networks = _manifest(directory)
    found = Profiles({}, {}, [], _about(directory / ABOUT))
    for name, operations in {**files, **networks}.items():
        paths = [path for ending in ("csv", "txt") if (path := directory / f"{name}.{ending}").is_file()]
        if not paths:
            found.missing.append(name)
            continue
        rows = read_profile(paths[0])
        try:
            times = _matched(operations, rows)
        except ValueError as error:
            raise ValueError(f"{paths[0].name} is a profile of another model than {name}.tflite: {error}") from None
        if name in networks:
            total = inference_us(directory / f"{name}.txt") or sum(us for _, us in rows)
            found.networks[name] = operations, total
        else:
            for operation, us in times.items():
                found.times.setdefault(operation, us)
    return found


def read_profile(path: Path) -> list[tuple[str, float]]:
    """The operations of a profile in the order of their run: node type, mean microseconds of a run.

    Raises: ValueError if it is no profile, cut off or damaged.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name}: larger than {MAX_BYTES} bytes, which no profile is")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [i for i, line in enumerate(lines) if (match := SECTION.fullmatch(line.strip()))
              and match[1] == "Run Order"]
    if not starts:
        raise ValueError(f"{path.name}: no profile of lce_benchmark_model, as it has no section Run Order")
    start = starts[-1]  # the first is that of the initialization
    end = next((i for i in range(start + 1, len(lines)) if not lines[i].strip()), None)
    if end is None or not any(SECTION.fullmatch(line.strip()) for line in lines[end:]):
        raise ValueError(f"{path.name}: cut off, as nothing follows its section Run Order")
    heads, *rows = (_cells(line, lines[start + 1]) for line in lines[start + 1:end])
    names = [head.strip("[]").replace("_", " ").lower() for head in heads]
    if "node type" not in names or "avg ms" not in names:
        raise ValueError(f"{path.name}: no profile of lce_benchmark_model, as its columns are {', '.join(names)[:100]}")
    place, found = (names.index("node type"), names.index("avg ms")), []
    for cells in rows:
        try:
            found.append((cells[place[0]], 1e3 * float(cells[place[1]])))
            if len(cells) < len(names) or not 0 <= found[-1][1] < 1e12:
                raise ValueError
        except (IndexError, ValueError):
            raise ValueError(f"{path.name}: damaged or cut off at {', '.join(cells)[:100]!r}") from None
    return found


def inference_us(path: Path) -> float | None:
    """The mean microseconds of an inference in the standard output of the tool, if it is there."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    match = re.search(r"Inference \(avg\): ([\d.]+(?:e\+?\d+)?)", text)
    return float(match[1]) if match else None


def _cells(line: str, head: str) -> list[str]:
    """The cells of a line, commas between them or tabs before them; the last one, a name, may have commas itself."""
    if "," in head and "\t" not in head:
        return [cell.strip() for cell in line.split(", ", head.count(","))]
    return [cell.strip() for cell in line.split("\t")[1:]]


def _matched(operations: Sequence[Operation], rows: Sequence[tuple[str, float]]) -> dict[Operation, float]:
    """The times of the operations that have a row of their own. Raises: ValueError if the rows are of others."""
    times: dict[Operation, float] = {}
    kinds, place = [operation.kind for operation in operations], 0
    for kind, us in rows:
        first = place
        if kind == DELEGATE:
            while place < len(kinds) and not kinds[place].startswith("Lce"):
                place += 1
        else:
            place += place < len(kinds) and kinds[place] == kind
        if place == first:
            expected = kinds[place] if place < len(kinds) else "no further operation"
            raise ValueError(f"{kind} stands where {expected} is expected")
        if place == first + 1:
            times.setdefault(operations[first], us)
    if place < len(kinds):
        raise ValueError(f"{kinds[place]} is missing")
    return times


def _manifest(directory: Path) -> tuple[dict[str, list[Operation]], dict[str, list[Operation]]]:
    values = read_json(directory / MANIFEST, MAX_BYTES)
    try:
        if values["format"] != FORMAT:
            raise ValueError
        files, networks = ({name: [_operation(fields) for fields in operations]
                            for name, operations in values[key].items()} for key in ("files", "networks"))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(f"{MANIFEST} is not what bin/device --layers of this version writes") from None
    for name in (*files, *networks):
        if not re.fullmatch(r"\w+", name):
            raise ValueError(f"{MANIFEST}: {name!r} is no name of a file")
    return files, networks


def _operation(fields: Sequence) -> Operation:
    kind, source, shape, window, stride, dilation = fields
    numbers = (*source, *shape, *window, stride, dilation)
    if not isinstance(kind, str) or len(numbers) != 10 or not all(type(n) is int and 0 < n < 2**31 for n in numbers):
        raise ValueError
    return Operation(kind, tuple(source), tuple(shape), tuple(window), stride, dilation)


def _about(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8", errors="replace")[:10_000] if path.is_file() else ""
    return {name: value.strip() for line in text.splitlines() for name, sign, value in [line.partition("=")] if sign}
