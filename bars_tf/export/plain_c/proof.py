"""The proof that a network in C computes what was trained: it is compiled, and run on images."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf.errors import Failure
from bars_tf.export.agreement import SAME_CLASS_SHARE, Agreement, agreement

FLAGS = ("-std=c99", "-O2")
# Of images that must keep their class. Rounded activations flip signs on every image, and an image near the border
# between two classes may go either way: of three networks 99.2 to 99.6 % keep it, with as many right (our choice).
SAME_CLASS = {"float32": SAME_CLASS_SHARE, "float16": 0.98}
# Of the logits' range: what may separate the C code from Keras with its sums in the same order.
TOLERANCE = 1e-5
NOISE_IMAGES = 4


class CProof(NamedTuple):
    """How far a network in C agrees with Keras.

    Attributes:
        compiler: that compiled it, with its version.
        equal: images whose logits are to the last bit those of Keras that rounds as C does, `reference`.
        agreement: with the trained model.
        correct, correct_in_keras: images whose class is right.
        median, largest: differences from the logits of the trained model, as a fraction of their range.
    """

    compiler: str
    equal: int
    agreement: Agreement
    correct: int
    correct_in_keras: int
    median: float
    largest: float

    def __str__(self) -> str:
        return (f"{self.equal:,} of {self.agreement.images:,} test images have to the last bit the logits of Keras "
                f"that rounds as C does; from Keras as it is they differ by {self.median:.1g} of the logits' range "
                f"(median), at most {self.largest:.1g}; {self.agreement.same_class:,} have the same class; "
                f"{self.correct:,} are right, {self.correct_in_keras:,} in Keras")

    def to_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "agreement": self.agreement._asdict()}


def compiler() -> list[str] | None:
    """The command of the C compiler of this machine: $CC, or the first that is found; None without one."""
    known = [shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]]
    return next((command for command in known if command and shutil.which(command[0])), None)


def noise(number: int, shape: tuple[int, ...]) -> np.ndarray:
    """The images of NAME_test.c, from -2 to 2, float32 [number, *shape]."""
    state, states = 0, np.empty(number * int(np.prod(shape)), np.uint32)
    for i in range(len(states)):
        state = (1664525 * state + 1013904223) % 2**32
        states[i] = state
    return ((states >> 8) / np.float32(2**22) - 2).astype(np.float32).reshape(number, *shape)


def run(directory: Path, name: str, images: np.ndarray, command: Sequence[str]) -> np.ndarray:
    """Compiles NAME.c and NAME_test.c with a compiler and its flags.

    Returns: the logits [images, classes] of images [images, height, width, channels].
    Raises: Failure if they do not compile or run, or if the check of NAME_test.c fails.
    """
    with tempfile.TemporaryDirectory() as temporary:
        program, source, result = (Path(temporary, file) for file in ("test", "images", "logits"))
        np.ascontiguousarray(images, np.float32).tofile(source)
        for arguments in ((*command, "-o", program, directory / f"{name}.c", directory / f"{name}_test.c"),
                          (program,), (program, source, result)):
            done = subprocess.run(arguments, capture_output=True, text=True)
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
                what = Path(arguments[0]).name if arguments[0] != program else f"{name}_test"
                raise Failure(f"refused: {name}.c does not pass its test: {what}: {said[0][:200]}")
        return np.fromfile(result, np.float32).reshape(len(images), -1)


def prove(directory: Path, name: str, images: np.ndarray, labels: np.ndarray, logits: np.ndarray, ordered: np.ndarray,
          activations: str) -> CProof | None:
    """Compiles the files and runs them on images; None without a compiler.

    Args:
        labels: of these images, [images].
        logits: of the trained model, [images, classes].
        ordered: of `reference`.
        activations: of `settings.ACTIVATIONS`.
    Raises: Failure if the C code does not compute the network.
    """
    if (command := compiler()) is None:
        return None
    found = run(directory, name, images, (*command, *FLAGS))
    scale = max(float(np.ptp(logits)), np.finfo(np.float32).tiny)
    wrong = ~(abs(found - ordered).max(axis=1) <= TOLERANCE * scale)  # NaN is wrong
    differences = abs(found - logits).max(axis=1) / scale
    version = subprocess.run([*command, "--version"], capture_output=True, text=True).stdout.splitlines()
    proof = CProof(next(iter(version), command[0]), int((found == ordered).all(axis=1).sum()), agreement(logits, found),
                   *(int((values.argmax(axis=1) == labels).sum()) for values in (found, logits)),
                   float(np.median(differences)), float(differences.max()))
    if wrong.any() or proof.agreement.same_class < SAME_CLASS[activations] * len(images):
        remedy = "" if activations == "float32" else "; without --c_activations it may"
        raise Failure(f"refused: {name}.c does not compute what was trained: {proof}{remedy}")
    return proof
