"""The files of a directory of TensorFlow checkpoints: names, numbers, what to do about damaged ones, removal."""

import os
import re
import shutil
from pathlib import Path

from bars_tf.errors import one_line
from bars_tf.legacy_keras import tf


def repair_list(directory: Path) -> None:
    """Writes the list of the checkpoints of a directory again if that file is damaged."""
    try:
        if tf.train.get_checkpoint_state(str(directory)):
            return
    except ValueError:
        (directory / "checkpoint").unlink()
    indices = sorted(directory.glob("ckpt-*.index"), key=number_of)
    if found := [str(path.with_suffix("")) for path in indices]:
        tf.compat.v1.train.update_checkpoint_state(
            str(directory), found[-1], found, all_model_checkpoint_timestamps=[p.stat().st_mtime for p in indices])


def damage_of(path: str) -> str | None:
    """The reason why a checkpoint can't be read, or None. Reading verifies the checksums."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, LookupError, ValueError, RuntimeError) as error:  # depends on the damage
        return one_line(error)
    return None


def number_of(path: str | os.PathLike) -> int:
    """The number in the name of a checkpoint or of one of its files."""
    match = re.match(r"ckpt-(\d+)(?![^._])", os.path.basename(path))
    return int(match[1]) if match else -1


def discard_states(directory: Path) -> None:
    """Removes the checkpoints and best models of finished trainings below a directory."""
    for path in (*directory.rglob("checkpoints"), *directory.rglob("best_model.h5")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def without_patterns(directory: str, place: str) -> str:
    """The directory, or a link to it in `place`: TensorFlow takes a path with [, * or ? for a pattern of names."""
    if not re.search(r"[][*?{}\\]", os.path.abspath(directory)):
        return directory
    os.makedirs(directory, exist_ok=True)
    link = os.path.join(place, "checkpoints")
    os.symlink(os.path.abspath(directory), link)
    return link
