"""`bin/export`: hands over a trained network as a Larq Zoo model, a deployment file and plain C."""

import dataclasses
import shlex
from pathlib import Path

from bars_tf.cli.command_line import parse
from bars_tf.cli.settings import Settings
from bars_tf.data.settings import USER_IMAGES, DataSettings
from bars_tf.data.splits import load_splits
from bars_tf.errors import InputError, blame
from bars_tf.export import package, zoo
from bars_tf.report.run_files import CONFIG, MODEL, program_of


def main(settings: Settings) -> None:
    export, name = settings.export, settings.values["network"]
    if export is None and not name:
        raise InputError("--name: is needed with --workdir, as in `bin/export --workdir=runs/NAME --name=my_net`")
    if name:
        with blame("network", name):
            run = package.named_run(name)
        dataset, repeat, source = settings.data.name, run.summary["command"], f"--network={name}"
        test = zoo.prepared_for(name, load_splits(settings.data).test)
    else:
        run, data, repeat = _run_of(settings)
        dataset, test, source = data.name, load_splits(data).test, f"--workdir={run.directory}"
    chosen = [*([f"--format={','.join(export.format)}"] if export.format else []),
              *([f"--c_activations={export.c_activations}"] if export.c_activations != "float32" else [])]
    package.export(export, run, dataset, test, (repeat, shlex.join(
        ["bin/export", source, f"--name={export.name}", f"--output={export.output}", *chosen])))
    files = sorted(path.name for path in Path(export.output).glob(f"{export.name}*"))
    print(f"{export.output}/: {', '.join(files)}{', Makefile' * ('c' in export.formats)}, README.md")


def _run_of(settings: Settings) -> tuple[package.FinishedRun, DataSettings, str]:
    """The run of `--workdir`, its data, and the command that resumes it."""
    directory = Path(settings.run.workdir)
    flagfile = directory / CONFIG
    if not directory.is_dir():
        raise InputError.of("workdir", directory, "no such directory")
    if not flagfile.exists():
        raise InputError.of("workdir", directory, f"has no {CONFIG}, so it is no work directory of bin/search or "
                            "bin/train")
    resume = shlex.join([f"bin/{program_of(directory)}", f"--flagfile={flagfile}"])
    return package.read_run(directory, resume), _data_of(settings, flagfile), resume


def _data_of(settings: Settings, flagfile: Path) -> DataSettings:
    """The data of the run, which may have moved since."""
    moved = {name: value for name in ("data_dir", *USER_IMAGES) if (value := settings.values[name])}
    # As settings of a program that reads nothing else of a run.
    run = parse("evaluate", [f"--flagfile={flagfile}", f"--model={flagfile.with_name(MODEL)}"])
    return dataclasses.replace(run.data, **moved)
