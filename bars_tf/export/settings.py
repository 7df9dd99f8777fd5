"""What an export is called and where it goes."""

import ast
import builtins
import dataclasses
import keyword
import re
import sys
from importlib import metadata
from pathlib import Path

from bars_tf.errors import InputError

# What NAME.py is made of.
TEMPLATE = Path(__file__).with_name("zoo_template.py")


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """Settings of an export. Raises: InputError if the model cannot have this name, or the output not be written to."""

    name: str  # of the model, of its Python function and of its files
    output: str  # directory that the files are written to
    overwrite: bool = False  # whether `output` may hold files already; those of the same names are replaced
    allow_float_fallback: bool = False  # whether a file that is not proven to be the binary network is written

    def __post_init__(self):
        path = Path(self.output)
        if problem := name_problem(self.name):
            raise InputError.of("name", self.name, problem)
        if path.exists() and not path.is_dir():
            raise InputError.of("output", self.output, "is a file; name a directory")
        if path.is_dir() and any(path.iterdir()) and not self.overwrite:
            raise InputError.of("output", self.output, "has files already; name another directory, or add --overwrite")


def name_problem(name: str) -> str | None:
    """Why a model cannot have this name, and what to do; None if it can."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
        return "must be a letter and up to 63 letters, digits and underscores"
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
