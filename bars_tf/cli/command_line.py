"""From the command line to a `Settings`: parsing by absl, lookup of flagfiles, help."""

import difflib
import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import flags as absl_flags

from bars_tf import console
from bars_tf.cli.flags import ALL, FLAGS, PROGRAMS, Parse, boolean
from bars_tf.cli.settings import DEFAULTS, SPACE_FIELDS, Settings
from bars_tf.config import config_directories
from bars_tf.data.settings import USER_IMAGES
from bars_tf.errors import InputError, as_text
from bars_tf.report.run_files import CONFIG, LOCK, unquoted

COMMENT = re.compile(r"\s#")


class _Parser(absl_flags.ArgumentParser):
    def __init__(self, parse: Parse):
        self.parse = parse


def parse(program: str, arguments: Sequence[str]) -> Settings:
    """The settings that a command line asks for; later flags override earlier ones.

    Raises: InputError on a wrong flag, flagfile or value.
    """
    it, values = PROGRAMS[program], absl_flags.FlagValues()
    for name in it.flags:
        flag = ALL[name]
        absl_flags.DEFINE_flag(absl_flags.Flag(
            _Parser(flag.parse), None, name, None, flag.help, boolean=flag.parse is boolean), values)
    typed: set[str] = set()
    files: list[Path] = []
    for origin, chunk in _expand(arguments, files):
        if not origin:
            typed.update(map(_flag_name, chunk))
        elif _flag_name(chunk[0]) in ALL and _flag_name(chunk[0]) not in values:
            continue  # a flagfile serves all programs: what others take is passed over
        try:
            rest = values([program, *chunk])[1:]
            if rest and not origin and it.argument:
                rest = values([program, f"--{it.argument}={rest[0]}", *rest[1:]])[1:]
        except absl_flags.UnrecognizedFlagError as error:
            raise InputError(origin + _unknown(error.flagname, program)) from None
        except (absl_flags.Error, ValueError) as error:
            message = re.sub(r"^Missing value for flag (.*)", r"\1: needs a value", str(error).removeprefix("flag "))
            raise InputError(origin + message) from None
        if rest:
            raise InputError(f"{origin}{rest[0]}: unexpected; flags are written --name=value")
    given = {name: value for name, value in values.flag_values_dict().items() if value is not None}
    if not typed.isdisjoint(("dataset", *USER_IMAGES)):  # a flagfile may name others, as that of a run on other data
        for name in set(USER_IMAGES) - typed:
            given.pop(name, None)
    if "workdir" not in typed and "workdir" in given:
        for run in [path.parent for path in files if path.name == CONFIG and (path.parent / LOCK).exists()]:
            if run != Path(given["workdir"]).resolve():
                console.say(f"note: the run has moved; --workdir={run} in place of {given['workdir']}")
                given["workdir"] = str(run)
    for name in it.required:
        if name not in given:
            raise InputError(f"--{name}: is needed, as in `{it.examples[0]}`")
    if it.one_of and sum(name in given for name in it.one_of) != 1:
        names = ", ".join(f"--{name}" for name in it.one_of)
        raise InputError(f"{names}: exactly one of them is needed, as in `{it.examples[0]}`")
    settings = Settings.of(**given)
    if it.suffix and "workdir" not in given:
        settings = settings.replace(workdir=settings.run.workdir + it.suffix)
    return settings


def _flag_name(argument: str) -> str:
    name = argument.lstrip("-").partition("=")[0]
    return name[2:] if name not in ALL and name.startswith("no") else name


def _unknown(name: str, program: str) -> str:
    if name != "".join(name.split()):
        return f"--{name}: flags are written --name=value, without spaces around ="
    if others := ", ".join(other for other, it in PROGRAMS.items() if name in it.flags):
        return f"--{name}: not a flag of {program}, but of {others}"
    near = difflib.get_close_matches(name, [*PROGRAMS[program].flags, "flagfile"], n=1)
    return f"--{name}: unknown flag; " + (f"did you mean --{near[0]}?" if near else "--help lists them all")


def _expand(arguments: Sequence[str], files: list[Path], origin: str = "", inside: tuple[Path, ...] = ()
            ) -> Iterator[tuple[str, list[str]]]:
    """The arguments with flagfiles replaced by their lines, each with "FILE:LINE: " for messages, and the paths of all
    flagfiles in `files`."""
    chunk, remaining = [], iter(arguments)
    for argument in remaining:
        name, sign, value = argument.partition("=")
        if name not in ("--flagfile", "-flagfile"):
            chunk.append(argument)
            continue
        if chunk:
            yield origin, chunk
            chunk = []
        path = find_flagfile(value if sign else next(remaining, ""), [path.parent for path in inside])
        if path in inside:
            raise InputError(f"{origin}--flagfile={value}: the file includes itself")
        files.append(path)
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")  # some editors begin with a byte-order mark
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--flagfile={path}: {getattr(error, 'strerror', 'not a text file in UTF-8')}") from None
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.lstrip().startswith(("#", "//")):
                place = f"{path.name}:{number}: "
                yield from _expand([_argument(line.strip(), place)], files, place, (*inside, path))
    if chunk:
        yield origin, chunk


def _argument(line: str, place: str) -> str:
    """A line of a flagfile without the quotes around its value, which a shell would take off."""
    name, sign, value = line.partition("=")
    bare = unquoted(value)
    if bare == value and COMMENT.search(value):  # it would become a part of a path
        raise InputError(f"{place}{line}: a comment is a line of its own; a value that contains # stands in quotes")
    return name + sign + bare


def find_flagfile(name: str, beside: Sequence[Path] = ()) -> Path:
    """The file of that path, else of that name in `configs/`; the ending ".flags" may be left out."""
    configs = config_directories()
    if name:
        for directory in (Path(), *beside, *configs):
            for path in (directory / os.path.expanduser(name), directory / f"{name}.flags"):
                if path.is_file():
                    return path.resolve()
    if os.path.exists(name):
        raise InputError(f"--flagfile={name}: is a directory or a device, not a file")
    known = sorted({path.name for directory in configs for path in directory.glob("*.flags")})
    raise InputError(f"--flagfile={name}: no such file; by name there are {', '.join(known) or 'none'}")


def help_text(program: str) -> str:
    """What `--help` prints."""
    it = PROGRAMS[program]
    lines = [it.purpose, "", "Examples:", *(f"  {example}" for example in it.examples), ""]
    lines += _entry("flagfile", "A file of flags, one a line: a path, or a name in configs/. Later flags override "
                    "earlier ones.")
    for group, flags in FLAGS.items():
        taken = [name for name in flags if name in it.flags]
        if taken:
            lines += ["", f"{group}:"]
        for name in taken:
            usual = "that of the space" if name in SPACE_FIELDS else ""
            default = flags[name].default or (usual if DEFAULTS[name] is None else as_text(DEFAULTS[name]))
            note = " (needed)" if name in it.required else f" (default: {default})" if default else ""
            lines += _entry(name, flags[name].help + note)
    return "\n".join(lines)


def _entry(name: str, text: str) -> list[str]:
    head, indent = f"  --{name}", " " * 26
    wrapper = textwrap.TextWrapper(110, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return [head.ljust(len(indent)) + wrapper.fill(text).lstrip()]
