"""What an export is called and where it goes."""

import ast
import builtins
import dataclasses
import keyword
import re
import sys
from collections.abc import Collection
from importlib import metadata
from pathlib import Path

from bars_tf.errors import InputError

# A Larq Zoo model, a file of the Larq Compute Engine, plain C.
FORMATS = ("zoo", "tflite", "c")
ACTIVATIONS = ("float32", "float16")  # in memory, between the layers of plain C
C_KEYWORDS = frozenset((
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
    "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
    "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while"))
# What NAME.py is made of.
TEMPLATE = Path(__file__).with_name("zoo_template.py")


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """Settings of an export. Raises: InputError if the model cannot have this name, or the output not be written to."""

    name: str  # of the model, of its Python function and of its files; in C its functions begin with it
    output: str  # directory that the files are written to
    format: tuple[str, ...] | None = None  # of `FORMATS`; None: all but what cannot be made here
    c_activations: str = "float32"  # of `ACTIVATIONS`
    overwrite: bool = False  # whether `output` may hold files already; those of the same names are replaced
    allow_float_fallback: bool = False  # whether a file that is not proven to be the binary network is written

    def __post_init__(self):
        path = Path(self.output)
        if problem := name_problem(self.name, self.formats):
            raise InputError.of("name", self.name, problem)
        if self.c_activations != "float32" and "c" not in self.formats:
            raise InputError.of("c_activations", self.c_activations, "needs c in --format")
        if path.exists() and not path.is_dir():
            raise InputError.of("output", self.output, "is a file; name a directory")
        if path.is_dir() and any(path.iterdir()) and not self.overwrite:
            raise InputError.of("output", self.output, "has files already; name another directory, or add --overwrite")

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that are written."""
        return self.format or FORMATS


def name_problem(name: str, formats: Collection[str] = FORMATS) -> str | None:
    """Why a model cannot have this name in these formats, and what to do; None if it can."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
        return "must be a letter and up to 63 letters, digits and underscores"
    if "c" in formats and name in C_KEYWORDS:
        return "is a word of C; choose another name"
    if "zoo" not in formats:
        return None
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name):
        return "is a word of Python; choose another name"
    # The names that the template defines, imports or takes as arguments.
    used = {getattr(node, key, None) for node in ast.walk(ast.parse(TEMPLATE.read_text(encoding="utf-8")))
            for key in ("id", "arg", "name", "asname")}
    if {name, f"{name}Factory"} & used:
        return "is used in the generated code; choose another name"
    if name in sys.stdlib_module_names or name in metadata.packages_distributions():
        return "is a Python package, which NAME.py would hide; choose another name"
    return None
