"""`bin/export`: hands over a trained network as a Larq Zoo model, a deployment file and plain C."""

import dataclasses
import shlex
from pathlib import Path

from bars_tf.cli.command_line import parse
from bars_tf.cli.settings import Settings
from bars_tf.data.settings import USER_IMAGES, DataSettings
from bars_tf.data.splits import load_splits
from bars_tf.errors import InputError
from bars_tf.export import package
from bars_tf.report.run_files import CONFIG, MODEL, program_of


def main(settings: Settings) -> None:
    export, directory = settings.export, Path(settings.run.workdir)
    flagfile = directory / CONFIG
    if not directory.is_dir():
        raise InputError.of("workdir", directory, "no such directory")
    if not flagfile.exists():
        raise InputError.of("workdir", directory, f"has no {CONFIG}, so it is no work directory of bin/search or "
                            "bin/train")
    resume = shlex.join([f"bin/{program_of(directory)}", f"--flagfile={flagfile}"])
    run = package.read_run(directory, resume)
    data = _data_of(settings, flagfile)
    chosen = [*([f"--format={','.join(export.format)}"] if export.format else []),
              *([f"--c_activations={export.c_activations}"] if export.c_activations != "float32" else [])]
    package.export(export, run, data.name, load_splits(data).test, (resume, shlex.join(
        ["bin/export", f"--workdir={directory}", f"--name={export.name}", f"--output={export.output}", *chosen])))
    files = sorted(path.name for path in Path(export.output).glob(f"{export.name}*"))
    print(f"{export.output}/: {', '.join(files)}{', Makefile' * ('c' in export.formats)}, README.md")


def _data_of(settings: Settings, flagfile: Path) -> DataSettings:
    """The data of the run, which may have moved since."""
    moved = {name: value for name in ("data_dir", *USER_IMAGES) if (value := settings.values[name])}
    # As settings of a program that reads nothing else of a run.
    run = parse("evaluate", [f"--flagfile={flagfile}", f"--model={flagfile.with_name(MODEL)}"])
    return dataclasses.replace(run.data, **moved)
