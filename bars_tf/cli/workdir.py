"""A work directory belongs to one configuration, which it keeps as `config.flags`."""

import math
import os
from pathlib import Path

from bars_tf.cli.command_line import COMMENT, find_flagfile, parse
from bars_tf.cli.flags import FLAGS, PROGRAMS
from bars_tf.cli.settings import Settings
from bars_tf.data.settings import USER_IMAGES
from bars_tf.errors import InputError, as_text, blame
from bars_tf.export import named
from bars_tf.files import absolute, lock, read_json, write_bytes, write_json
from bars_tf.report.run_files import (
    CONFIG,
    DATA,
    DEVICE,
    GENOTYPE,
    LOCK,
    NETWORKS,
    SPACE,
    TRIALS,
    program_of,
    read_flags,
)

# Flags that do not change what a run computes: a run may be resumed with other values of them. A genotype file and the
# user's images are judged by their content.
FREE = ("workdir", "data_dir", *USER_IMAGES, "verbosity", "save_minutes", "strategy", "genotype", "mlflow",
        # A comparison may take in more networks.
        "genotypes", "num_random", "repeat_random", "references", "train_seeds")
# What a run that has computed something has, one of them.
COMPUTED = ("search", "teacher", "backbone", "pretrain", "train", "tune", NETWORKS)
_held: dict[Path, object] = {}  # the open lock of each directory of this process


def write_flagfile(path: str | os.PathLike, settings: Settings, program: str = "search") -> None:
    """Writes the resolved flags of a run, for `--flagfile`."""
    lines = [f"# Settings of a run. `bin/{program} --flagfile={path}` resumes it, with another --workdir repeats it."]
    for group, flags in FLAGS.items():
        values = {name: settings.values[name] for name in flags if name in PROGRAMS[program].flags}
        values |= {name: absolute(values[name]) for name in ("workdir", "data_dir", "genotype")  # for a start elsewhere
                   if values.get(name) and "://" not in values[name] and not values[name].startswith(named.PREFIX)}
        given = [f"--{name}={_quoted(as_text(value))}" for name, value in values.items() if value is not None]
        lines += ["", f"# {group}", *given] if given else []
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def _quoted(value: str) -> str:
    """A value as flagfiles have it: in quotes where reading would take something off, or find a comment."""
    return f'"{value}"' if value != value.strip() or value[:1] in ("'", '"') or COMMENT.search(value) else value


def _lock(directory: Path) -> bool:
    """Locks the directory for the life of this process, however it ends; False where another one lives in it."""
    if directory.resolve() not in _held:
        file = open(directory / LOCK, "a+")  # noqa: SIM115 - closing it would give up the lock
        if not lock(file):
            file.close()
            return False
        _held[directory.resolve()] = file
    return True


def claim(settings: Settings, program: str = "search") -> Path:
    """The work directory, made if need be and locked; `keep` is to follow once its inputs are known to be good. Only
    the chief of several workers makes it.

    Raises: InputError if it belongs to another program or configuration (naming what differs) or cannot be written.
    """
    space, directory = settings.values["space"], Path(settings.run.workdir)
    path, kept = directory / CONFIG, directory / SPACE
    if not settings.run.is_chief:
        return directory
    with blame("workdir", settings.run.workdir):
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise ValueError("exists, and is not a directory") from None
        if not _lock(directory):
            raise ValueError("another run is working there, or has been stopped there by Ctrl-Z; wait for its end, or "
                             "choose another directory")
        if not any((directory / name).exists() for name in COMPUTED):
            return directory  # a run that was refused before it computed anything does not own it
        if path.exists():
            if (other := program_of(directory)) != program:
                raise ValueError(f"holds a run of bin/{other}; choose another directory")
            if different := "; ".join(differences(path, settings, program)):
                raise ValueError(f"belongs to another configuration: {different}; choose another directory, or use its "
                                 f"settings by --flagfile={path}")
        if kept.exists() and space.endswith(".json") and read_json(kept) != settings.search_space.to_dict():
            raise InputError.of("space", space, f"has changed since this run began with what {kept} says; "
                                "choose another --workdir")
        device, kept = settings.limits.device, directory / DEVICE
        if kept.exists() and device and read_json(kept) != device.to_dict():
            raise InputError.of("device", settings.values["device"], "has changed since this run began with what "
                                f"{kept} says; choose another --workdir")
    return directory


def keep(settings: Settings, program: str = "search", split_sha256: str | None = None) -> None:
    """Writes the settings into a claimed work directory, of several workers the chief: not before all inputs are read,
    as a command that is refused must not be what the directory's `config.flags` repeats.

    Raises: InputError if `split_sha256`, of the training images, is not that which the run began with.
    """
    if not settings.run.is_chief:
        return
    directory = Path(settings.run.workdir)
    with blame("workdir", settings.run.workdir):
        images = {"split_sha256": split_sha256}
        computed = any((directory / name).exists() for name in COMPUTED)
        if computed and (directory / DATA).exists() and read_json(directory / DATA) != images:
            raise InputError.of(*settings.data.source, f"has other images than those that the run in {directory} began "
                                "with; choose another --workdir")
        write_json(directory / DATA, images)
        write_json(directory / SPACE, settings.search_space.to_dict())
        if device := settings.limits.device:
            write_json(directory / DEVICE, device.to_dict())
        write_flagfile(directory / CONFIG, settings, program)


def settings_of(path: str | os.PathLike, program: str = "search", *more: str) -> Settings:
    """The settings in the flagfile of a run, with `more` flags. A space or a device of the user's own is the copy that
    the run keeps: the file may have changed since."""
    path = find_flagfile(str(path))
    given = read_flags(path)
    own = [f"--{flag}={path.parent / name}" for flag, name in (("space", SPACE), ("device", DEVICE))
           if given.get(flag, "").endswith(".json") and (path.parent / name).exists()]
    return parse(program, [f"--flagfile={path}", *own, *more])


def differences(path: str | os.PathLike, settings: Settings, program: str = "search") -> list[str]:
    """How the settings in a flagfile differ from those given, in what changes a run: "--seed=0 there, 1 here".

    More epochs of training are no difference: from there on the learning rate follows the schedule of the new length.
    Nor are more trials of a tuner.
    In a comparison and in finals they are one, as all networks are to be trained alike.
    """
    free, directory = set(FREE), Path(path).parent
    there, here = settings_of(path, program).values, settings.values
    for name in ("space", "device"):  # `claim` judges a file by its content
        if all(str(values[name]).endswith(".json") for values in (there, here)):
            free.add(name)
    if (there["split_seed"], here["split_seed"]) == (there["seed"], here["seed"]):  # the default
        free.add("split_seed")
    # More trials, or more time for them: the earlier ones count.
    grown = {name for name in ("max_trials", "tune_minutes")
             if program == "tune" and (here[name] or math.inf) > (there[name] or math.inf)}
    free |= grown
    in_finals = (directory / "finals").exists() and not (directory / GENOTYPE).exists()
    if not in_finals:
        free.add("finalist_epochs")
    if here["train_epochs"] > there["train_epochs"] and program != "compare" and not in_finals:
        free |= {"train_epochs", "train_warmup_epochs"}  # the default of the one depends on the other
        if (directory / TRIALS).exists() and not grown:  # likewise, and no trial is left
            free.add("trial_epochs")
    return [f"--{name}={as_text(there[name])} there, {as_text(here[name])} here"
            for name in PROGRAMS[program].flags if name not in free and there[name] != here[name]]
