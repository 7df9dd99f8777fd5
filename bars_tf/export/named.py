"""Where the named networks are, without TensorFlow.

Each is a directory in `networks/`: `genotype.json` and `summary.json` of its run, and `weights.npz`, which holds a
binary kernel as its signs, and the mean magnitude of each of its output channels if it is scaled by that: all that the
network computes with. Latent weights that are read have these signs and the magnitude of initial weights.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

from bars_tf.errors import FieldError
from bars_tf.files import read_json, sha256
from bars_tf.report.run_files import GENOTYPE, SUMMARY

DIRECTORY = Path(__file__).with_name("networks")
INDEX, WEIGHTS = DIRECTORY / "index.json", "weights.npz"
# Before a name, where a path could stand too.
PREFIX = "zoo:"


def names() -> Sequence[str]:
    """The names of all networks."""
    return sorted(read_json(INDEX))


def directory(name: str) -> Path:
    """The directory of a network. Raises: FieldError for another name, or a file that is not the one shipped."""
    index = read_json(INDEX)
    if name not in index:
        near = difflib.get_close_matches(str(name), index, n=1)
        raise FieldError("network", name, f"did you mean {near[0]}?" if near else
                         f"must be one of {', '.join(sorted(index))}")
    found = DIRECTORY / name
    if sha256(found / WEIGHTS) != index[name]:
        raise FieldError("network", name, f"{found / WEIGHTS} has changed since it was shipped; install bars_tf again")
    return found


def dataset(name: str) -> str:
    """The data set that a network was trained on. Raises: FieldError for another name."""
    return read_json(directory(name) / SUMMARY)["dataset"]


def genotype_path(text: str) -> str:
    """The path of the genotype file that a text means: "zoo:NAME", or the path itself.

    Raises: FieldError for another NAME."""
    return str(directory(text.removeprefix(PREFIX)) / GENOTYPE) if text.startswith(PREFIX) else text
