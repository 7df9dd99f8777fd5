"""Runs its arguments by a Python that has the packages of setup.cfg: the one that runs this file, or that of `.venv`
beside the code, which is made at first use.

Knows the standard library alone. BARS_EXTRAS names extras of setup.cfg that are needed too, separated by commas. What a
set-up took goes to the program in BARS_SETUP_SECONDS, and of it the downloads in BARS_DOWNLOAD_SECONDS.
"""

import configparser
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "install.log"
# Requirements, one a line. The first exists while packages are being installed and is then renamed to the second, so
# that a set-up that broke off, by whatever cause, is told from one that is complete.
INSTALLING = VENV / "installing.txt"
INSTALLED = VENV / "installed.txt"


def main() -> None:
    if sys.argv[1:2] == ["--has"]:
        sys.exit(0 if all(map(satisfied, sys.argv[2:])) else 1)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - closed by the caller
    needed, own, alone = requirements()
    started = time.monotonic()
    try:
        if Path(sys.prefix) != VENV and all(map(satisfied, needed)):
            python = sys.executable
        elif complete(needed, own):
            python = str(PYTHON)
        else:
            python = set_up(needed, own, alone)
            os.environ["BARS_SETUP_SECONDS"] = f"{time.monotonic() - started:.0f}"
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        fail("set-up interrupted; the next call repairs it", status=130)
    except OSError as error:
        fail(f"cannot set up {VENV}: {error.strerror or error}; or install bars_tf into an environment of your own "
             f"('pip install {ROOT}') and activate it")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    sys.stderr.flush()
    os.execv(python, [python, *sys.argv[1:]])


def requirements() -> tuple[list[str], list[str], list[str]]:
    """The lines of setup.cfg that this call needs, those that `.venv` is made of, and which of these get there without
    what they require themselves."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].splitlines()
    extras, known = os.environ.get("BARS_EXTRAS", "").replace(",", " ").split(), config["options.extras_require"]
    if unknown := sorted(set(extras) - set(known)):
        fail(f"BARS_EXTRAS={os.environ['BARS_EXTRAS']}: {unknown[0]} is not one of {', '.join(known)}", 2)
    if os.path.exists("/dev/nvidia0"):
        extras.append("gpu")
    for extra in extras:
        lines += known[extra].splitlines()
    besides, alone = (config.get("environment", name, fallback="").splitlines() for name in ("besides", "alone"))
    needed, own, alone = (list(dict.fromkeys(filter(None, map(str.strip, part))))
                          for part in (lines, lines + besides + alone, alone))
    return needed, own, alone


def satisfied(requirement: str) -> bool:
    """Whether this Python has the package, within its bounds."""
    name, _, bounds = re.fullmatch(r"([\w.-]+)(\[[\w,-]*\])?(.*)", requirement).groups()
    if name == "tensorflow" and not find_spec("tensorflow"):
        return False  # the usual case, without reading any metadata
    from importlib import metadata

    try:
        version = numbers(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False
    compare = {">=": version.__ge__, "<": version.__lt__}
    return all(compare[sign](numbers(bound)) for sign, bound in re.findall(r"(>=|<)([\w.]+)", bounds))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.match(r"[\d.]*\d", version)[0].split("."))


def runnable() -> bool:
    """Whether `.venv` has its Python: that one is a link, which dangles when the Python behind it was removed."""
    return PYTHON.is_file() and os.access(PYTHON, os.X_OK)


def complete(needed: list[str], own: list[str]) -> bool:
    """Whether `.venv` can be used as it is. One that is not ours has to prove it."""
    if not runnable() or INSTALLING.exists():
        return False
    if INSTALLED.exists():
        return set(own) <= set(INSTALLED.read_text().splitlines())
    return subprocess.run([PYTHON, __file__, "--has", *needed], capture_output=True, check=False).returncode == 0


def set_up(needed: list[str], own: list[str], alone: list[str]) -> str:
    """Makes `.venv`, or completes it, and returns its Python."""
    # Held by pip too: should this process be killed, the next one waits until pip has ended and then starts afresh.
    with open(ROOT / "setup.cfg", "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("waiting for another set-up of .venv to end\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if complete(needed, own):
            return str(PYTHON)
        started = time.monotonic()
        # The file behind a link, because an activated `.venv` that broke off is about to go.
        base = os.path.realpath(sys.executable)
        clear_away()
        have = INSTALLED.read_text().splitlines() if INSTALLED.exists() else []
        if have:
            note("adding packages to .venv, once\n")
            INSTALLED.rename(INSTALLING)
        else:
            version = ".".join(map(str, sys.version_info[:3]))
            note(f"first use: making .venv with Python {version}, once; takes about 2 minutes (log: {LOG})\n")
            VENV.mkdir(exist_ok=True)
            INSTALLING.touch()
            run("making the environment", [[base, "-m", "venv", VENV]], lock)
        missing = [line for line in own if line not in have]
        INSTALLING.write_text("\n".join(missing) + "\n")
        pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        wheels = VENV / "wheels"
        # The pip of Python 3.10 cannot build a wheel from source without --use-pep517.
        wheel = [*pip, "wheel", "--use-pep517", "--wheel-dir", wheels]
        install = [*pip, "install", "--no-index", "--find-links", wheels]
        lists = [[line for line in missing if line not in alone], [line for line in missing if line in alone]]
        lists = [[*option, *lines] for option, lines in zip(([], ["--no-deps"]), lists) if lines]
        size = "" if have else " (about 0.8 GB)"
        os.environ["BARS_DOWNLOAD_SECONDS"] = run(
            f"downloading packages{size}", [[*wheel, *lines] for lines in lists], lock)
        run("installing packages", [[*install, *lines] for lines in lists], lock)
        shutil.rmtree(wheels)
        INSTALLING.write_text("\n".join([*have, *missing]) + "\n")
        INSTALLING.rename(INSTALLED)
        note(f".venv is ready after {time.monotonic() - started:.0f} s\n")
    return str(PYTHON)


def clear_away() -> None:
    """Removes what cannot be completed; what somebody else made is moved aside."""
    if not VENV.exists() or (INSTALLED.exists() and not INSTALLING.exists() and runnable()):
        return
    if INSTALLED.exists() or INSTALLING.exists():
        note("the set-up of .venv broke off; making it anew\n")
        # Renamed first: half removed it would no longer be known as ours.
        old = VENV.with_name(".venv-old")
        shutil.rmtree(old, ignore_errors=True)
        VENV.rename(old)
        shutil.rmtree(old)
    elif any(VENV.iterdir()):
        aside = VENV.with_name(f".venv-{time.strftime('%Y%m%d-%H%M%S')}")
        note(f".venv lacks packages and was not made by bars_tf; moving it to {aside.name}\n")
        VENV.rename(aside)


def run(what: str, commands: list[list], lock) -> str:
    """Runs commands with their output in the log, and says for how long; returns the seconds."""
    started = time.monotonic()
    note(f"{what}: ")
    for command in commands:
        with open(LOG, "ab") as log:
            process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       pass_fds=(lock.fileno(),))
        while process.poll() is None:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                sys.stderr.write(f"{time.monotonic() - started:.0f} s, ")
                sys.stderr.flush()
        if process.returncode:
            break
    seconds = f"{time.monotonic() - started:.0f}"
    if process.returncode:
        sys.stderr.write(f"failed after {seconds} s\n")
        lines = [line for line in LOG.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")]
        sys.stderr.write("".join(f"    {line[:300]}\n" for line in (errors or lines)[-8:]))
        fail(f"{what} failed; the whole output is in {LOG}; the next call tries again")
    sys.stderr.write(f"done after {seconds} s\n")
    return seconds


def note(text: str) -> None:
    sys.stderr.write(f"bars_tf: {text}")
    sys.stderr.flush()


def fail(text: str, status: int = 1) -> None:
    note(text + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
