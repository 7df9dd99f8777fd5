"""Runs its arguments by a Python that has the packages of setup.cfg: the one that runs this file, or that of `.venv`
beside the code, which is made at first use, of the versions in constraints/.

Knows the standard library alone. In the environment: BARS_UNCONSTRAINED=1 lets pip choose versions; BARS_EXTRAS names
extras of setup.cfg, for bin/test. What a set-up took goes to the program in BARS_SETUP_SECONDS, and of it the downloads
in BARS_DOWNLOAD_SECONDS.
"""

import signal

if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the other imports: no trace

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from _venv import ENGINE, ROOT, RUNNING, SETUP, Environment, Failed, note, requirements, satisfied, say, within


def main() -> None:
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - closed by the caller
    extras = os.environ.get("BARS_EXTRAS", "").replace(",", " ").split()
    known = SETUP["options.extras_require"] if SETUP.has_section("options.extras_require") else {}
    if unknown := sorted(set(extras) - set(known)):
        fail(f"BARS_EXTRAS={os.environ['BARS_EXTRAS']}: {unknown[0]} is not one of {', '.join(known)}", 2)
    if os.path.exists("/dev/nvidia0") and "gpu" in known:
        extras.append("gpu")
    if "--mlflow" in sys.argv:
        extras.append("mlflow")
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)  # as servers block them for what they start
    for number in numbers:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    started = time.monotonic()
    try:
        python = wants_engine(*sys.argv[1:]) and with_engine(extras) or with_packages(extras)
    except KeyboardInterrupt:
        say("\n")
        fail("set-up interrupted; the next call repairs it", 130)
    except Failed as error:
        fail(str(error))
    if "BARS_DOWNLOAD_SECONDS" in os.environ:
        os.environ["BARS_SETUP_SECONDS"] = f"{time.monotonic() - started:.0f}"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    sys.stderr.flush()
    os.execv(python, [python, *sys.argv[1:]])


def wants_engine(script: str = "", program: str = "", *flags: str) -> bool:
    """Whether a program is called that writes a `.tflite` file or runs one."""
    if any(flag.lstrip("-") in ("help", "h", "?", "helpfull", "helpshort") for flag in flags):
        return False
    if program == "export":
        return not any(flag.startswith("--format=") and "tflite" not in flag for flag in flags)
    return program == "evaluate" and any(flag.endswith(".tflite") for flag in flags)


def with_packages(extras: list[str]) -> str:
    """The Python that has what the programs need."""
    return usable(".venv", extras) or Environment(place() / ".venv").set_up(extras, sys.executable)


def with_engine(extras: list[str]) -> str | None:
    """The Python that has the Larq Compute Engine too, in an environment of its own where `.venv` cannot have it.

    None where it is not to be had: the program then does without, and says so.
    """
    bounds = f"{SETUP['options']['python_requires']}, {SETUP['options.extras_require'][ENGINE]}"
    own = Environment(place() / ".venv")
    if within(own.version or RUNNING, bounds) and (own.is_ours or not own.directory.exists()):
        name, extras = ".venv", [*extras, ENGINE]
    else:
        name, extras = ".venv-engine", [ENGINE]
    if python := usable(name, extras, bounds):
        return python
    base = sys.executable
    if not within(RUNNING, bounds):
        find = ["sh", Path(__file__).with_name("_python"), "--find", bounds.replace("'", "").replace('"', "")]
        base = subprocess.run(find, capture_output=True, text=True, check=False).stdout.strip()
    try:
        return Environment(place() / name).set_up(extras, base) if base else None
    except Failed as error:
        note(f"going on without the Larq Compute Engine: {error}\n")
        return None


def usable(name: str, extras: list[str], bounds: str = "") -> str | None:
    """The Python that has all packages already, if any: the running one, with the user's PYTHONPATH only where they are
    there (clusters have them so), or that of an environment of this name."""
    directories = [directory / name for directory in dict.fromkeys((ROOT, place()))]
    if Path(sys.prefix) not in directories and within(RUNNING, bounds):
        needed = requirements(extras, RUNNING)[0]
        for path in ("", *filter(None, [os.environ.get("BARS_PYTHONPATH")])):
            sys.path += filter(None, path.split(os.pathsep))
            if all(map(satisfied, needed)):
                os.environ["PYTHONPATH"] = path
                return sys.executable
    return next((str(found.python) for found in map(Environment, directories) if found.is_complete(extras)), None)


def place() -> Path:
    """The directory of environments: beside the code, or a cache where nothing can be written there."""
    if os.access(ROOT, os.W_OK):
        return ROOT
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache, "bars_tf", f"{ROOT.name}-{hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:8]}")


def fail(text: str, status: int = 1) -> None:
    note(f"{text}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
