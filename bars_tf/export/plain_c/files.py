"""The files of a network in C: NAME.c, NAME.h, NAME_test.c and a Makefile.

The templates are C as they stand: `network` becomes the name, and the values of macros become those of the network.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf.export.plain_c.calls import Call, Constant, Tensor, Window
from bars_tf.export.plain_c.memory import in_saving_order, places, without_copies

TEMPLATES = Path(__file__).parents[1] / "templates"
LINE_LENGTH = 120


class Network(NamedTuple):
    """A network in C.

    Attributes:
        lines: of the C function that computes it.
        tables: its constants.
        windows: of its convolutions and poolings.
        sizes: of its memories of activations and of words.
        activations: of `settings.ACTIVATIONS`.
    """

    lines: tuple[str, ...]
    tables: Mapping[str, np.ndarray]
    windows: tuple[Window, ...]
    sizes: tuple[int, int]
    activations: str

    @property
    def flash_bytes(self) -> int:
        """Bytes of the constants."""
        return sum(table.nbytes for table in self.tables.values()) + 4 * len(Window._fields) * len(self.windows)

    @property
    def ram_bytes(self) -> int:
        """Bytes of the memory for activations."""
        return np.dtype(self.activations).itemsize * self.sizes[0] + 4 * self.sizes[1]


def network_of(calls: Sequence[Call], activations: str) -> Network:
    """Plans the memory of the calls and writes them as lines of C."""
    calls = in_saving_order(without_copies(calls))
    found, sizes = places(calls)
    tables: dict[str, np.ndarray] = {}
    windows: list[Window] = []

    def text(value: Any, first: int = 0) -> str:
        if isinstance(value, Tensor):
            return value.name or _at("words" if value.packed else "values", found[value] + first)
        if isinstance(value, Constant):
            tables[value.name] = value.values
            return _at(value.name, value.first)
        if isinstance(value, Window):
            if value not in windows:
                windows.append(value)
            return _at("windows", windows.index(value))
        return "NULL" if value is None else str(value)

    lines = [f"{call.function}({', '.join((text(call.output, call.first), *map(text, call.inputs + call.arguments)))});"
             for call in calls]
    return Network(tuple(lines), tables, tuple(windows), sizes, activations)


def _at(name: str, place: int) -> str:
    return f"{name} + {place}" if place else name


def write(directory: Path, name: str, network: Network, shape: tuple[int, int, int], mean: Sequence[float],
          std: Sequence[float], noise_logits: np.ndarray) -> None:
    """Writes the files.

    Args:
        shape: (height, width, channels) of the images.
        mean, std: one value a channel, where 255 is 1.
        noise_logits: of the images of `noise`, [images, classes].
    """
    values = {**dict(zip(("HEIGHT", "WIDTH", "CHANNELS"), shape)), "CLASSES": noise_logits.shape[1],
              "FLASH": network.flash_bytes, "RAM": network.ram_bytes,
              "SCALE": _braces(1 / (255 * np.array(std, np.float64))), "OFFSET": _braces(np.divide(mean, std)),
              "NOISE_LOGITS": "{" + ", \\\n    ".join(map(_braces, noise_logits)) + "}"}

    def fill(template: str) -> str:
        text = re.sub(r"^#define NETWORK_(\w+) \S.*$", lambda match: f"#define NETWORK_{match[1]} {values[match[1]]}",
                      (TEMPLATES / template).read_text(encoding="utf-8"), flags=re.M)
        return re.sub(r"network(?=[._])|NETWORK", lambda match: name if match[0].islower() else name.upper(), text)

    for template, file in (("network.h", f"{name}.h"), ("network_test.c", f"{name}_test.c"), ("Makefile", "Makefile")):
        (directory / file).write_text(fill(template), encoding="utf-8")
    (directory / f"{name}.c").write_text("\n".join(_source(name, network)) + "\n", encoding="utf-8")


def _braces(values: Iterable[float]) -> str:
    return "{" + ", ".join(f"{_float(value)}f" for value in values) + "}"


def _float(value: float) -> str:
    text = f"{np.float32(value):.9g}"
    return text if set(text) & set(".en") else f"{text}.0"


def _source(name: str, network: Network) -> Iterable[str]:
    macro = name.upper()
    yield f'#include "{name}.h"\n'
    if network.activations == "float16":
        yield "#define FLOAT16_ACTIVATIONS\n"
    yield (TEMPLATES / "operations.c").read_text(encoding="utf-8")
    for kind, size in zip(("value values", "uint32_t words"), network.sizes):
        if size:
            yield f"static {kind}[{size}];"
    yield ""
    for table, values in network.tables.items():
        kind, texts = (("uint32_t", [f"0x{value:08x}" for value in values.flat]) if values.dtype == np.uint32 else
                       ("float", [f"{_float(value)}f" for value in values.flat]))
        yield f"static const {kind} {table}[] = {{\n{_rows(texts)}}};"
    rows = ",\n".join(f"    {{{', '.join(map(str, window))}}}" for window in network.windows)
    yield f"static const struct window windows[] = {{\n{rows}}};\n"
    yield f"void {name}_prepare(const uint8_t *pixels, float *image)\n{{"
    yield f"    static const float scale[] = {macro}_SCALE, offset[] = {macro}_OFFSET;"
    yield f"    prepare(image, pixels, {macro}_HEIGHT * {macro}_WIDTH, {macro}_CHANNELS, scale, offset);\n}}\n"
    yield f"int {name}_predict(const float *image, float *logits)\n{{"
    yield from (f"    {line}" for line in network.lines)
    yield f"    return largest(logits, {macro}_CLASSES);\n}}"


def _rows(texts: Sequence[str]) -> str:
    return ",\n".join(f"    {', '.join(texts[i:i + 8])}" for i in range(0, len(texts), 8))
