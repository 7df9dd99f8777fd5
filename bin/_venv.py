"""An environment of its own for bars_tf, with the packages that setup.cfg names, in the versions of constraints/."""

import configparser
import errno
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
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
RUNNING = sys.version_info[:2]
ENGINE = "deploy"  # the extra that is the Larq Compute Engine
# What pip and uv print when all downloads have ended.
DOWNLOADED = re.compile(rb"^(Installing collected packages|Prepared \d+ package)", re.MULTILINE)
# Nothing is built but the one package that has no wheel, a few lines of Python.
WHEELS = ["--only-binary", ":all:", "--no-binary", "promise"]
# The settings of a user's pip that hold here too: how packages are reached. Others, such as PIP_TARGET, PIP_USER or
# PIP_CONSTRAINT, ask for another installation than this one.
REACH = re.compile("PIP_(.*INDEX.*|FIND_LINKS|TRUSTED_HOST|.*CERT|PROXY|.*TIMEOUT|.*RETRIES|.*CACHE_DIR|"
                   "KEYRING_PROVIDER|CONFIG_FILE)")


class Failed(Exception):
    """Says what failed and what to do."""


def requirements(extras: list[str], version: tuple[int, int]) -> tuple[list[str], list[str], list[str]]:
    """The lines of setup.cfg that the programs need, those that an environment of this Python is made of, and which of
    these get there without what they require themselves."""
    def lines(section: str, option: str) -> list[str]:
        stated = (line.partition(";") for line in SETUP.get(section, option, fallback="").splitlines())
        return [line.strip() for line, _, marker in stated if line and within(version, marker)]

    packages = lines("options", "install_requires")
    for extra in extras:
        packages += lines("options.extras_require", extra)
    alone = lines("environment", "alone")
    return ([*dict.fromkeys(packages + alone)],
            [*dict.fromkeys(packages + lines("environment", "besides") + alone)], alone)


def constraints(version: tuple[int, int]) -> Path:
    """The file of the versions that were tested; it may be missing."""
    return ROOT / "constraints" / "py{}{}.txt".format(*version)


def within(version: tuple[int, int], bounds: str) -> bool:
    """Whether a Python is within bounds as in `>=3.10,<3.13` or in `python_version < "3.13"`."""
    return all(version >= (3, int(minor)) if sign == ">=" else version < (3, int(minor))
               for sign, minor in re.findall(r'(>=|<)\s*["\']?3\.(\d+)', bounds))


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


class Environment:
    """A virtual environment.

    Attributes:
        installing, installed: its requirements, one a line. The first file exists while packages are being installed
            and is then renamed to the second, so that a set-up that broke off, by whatever cause, is told from a
            complete one.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        self.python = directory / "bin" / "python"
        self.log = directory / "install.log"
        self.installing, self.installed = directory / "installing.txt", directory / "installed.txt"

    @property
    def name(self) -> str:
        if self.directory.parent == ROOT:
            return self.directory.name
        return f"{self.directory}{'' if os.access(ROOT, os.W_OK) else ' (the directory of the code is read-only)'}"

    @property
    def is_ours(self) -> bool:
        return self.installed.exists() or self.installing.exists()

    @property
    def version(self) -> tuple[int, int] | None:
        """That of its Python."""
        try:
            stated = re.search(r"^version(?:_info)? *= *3\.(\d+)", (self.directory / "pyvenv.cfg").read_text(), re.M)
        except OSError:
            return None
        return (3, int(stated[1])) if stated else None

    def is_runnable(self) -> bool:
        """Whether it has its Python: that one is a link, which dangles when the Python behind it was removed."""
        return self.python.is_file() and os.access(self.python, os.X_OK)

    def is_complete(self, extras: list[str]) -> bool:
        """Whether it can be used as it is. One that is not ours has to prove it."""
        if not self.is_runnable() or self.installing.exists():
            return False
        needed, own, _ = requirements(extras, self.version or RUNNING)
        if self.installed.exists():
            return set(own) <= set(self.installed.read_text().splitlines())
        return self._has(needed)

    def _has(self, needed: list[str]) -> bool:
        return subprocess.run([self.python, __file__, *needed], capture_output=True, check=False).returncode == 0

    def set_up(self, extras: list[str], base: str) -> str:
        """Makes it with the Python `base`, or completes it, and returns its Python. Raises: Failed."""
        try:
            if not self.directory.is_absolute():  # as ~ is for users without a home directory
                raise OSError("its path must be absolute")
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            # Held by pip too: should this process be killed, the next one waits until pip has ended and starts afresh.
            with open(ROOT / "setup.cfg", "r+") if self.directory.parent == ROOT else open(
                    self.directory.parent / "lock", "w") as lock:
                self._set_up(extras, base, lock)
        except OSError as error:
            raise Failed(f"cannot set up {self.directory}: {error.strerror or error}; set XDG_CACHE_HOME to a "
                         "directory that can be written, or install bars_tf into an environment of your own "
                         f"('pip install {ROOT}') and activate it") from None
        return str(self.python)

    def _set_up(self, extras: list[str], base: str, lock) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"waiting for another set-up of {self.directory.name} to end\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):  # some file systems have no locks
                raise
        if self.is_complete(extras):
            return
        started = time.monotonic()
        # The file behind a link, because an activated environment that broke off is about to go.
        base = os.path.realpath(base)
        self._clear_away()
        have, engine = [], extras[-1:] == [ENGINE]
        if self.installed.exists():
            have = self.installed.read_text().splitlines()
            use = " for the Larq Compute Engine" if engine else ""
            note(f"adding packages{use} to {self.name}, once (log: {self.log})\n")
            self.installed.rename(self.installing)
        else:
            use = " of the Larq Compute Engine" if engine else ""
            note(f"first use{use}: making {self.name} with {base}, once; takes about 2 minutes (log: {self.log})\n")
            self.directory.mkdir(exist_ok=True)
            self.installing.touch()
            self._run(["making the environment"], [[base, "-m", "venv", self.directory]], lock)
        _, own, alone = requirements(extras, self.version or RUNNING)
        missing = [line for line in own if line not in have]
        self.installing.write_text("\n".join(missing) + "\n")
        self._install(missing, alone, lock, have)
        self.installing.write_text("\n".join([*have, *missing]) + "\n")
        self.installing.rename(self.installed)
        note(f"{self.directory.name} is ready after {time.monotonic() - started:.0f} s\n")

    def _clear_away(self) -> None:
        """Removes what cannot be completed; what somebody else made is moved aside."""
        if not self.directory.exists() or (self.installed.exists() and not self.installing.exists()
                                           and self.is_runnable()):
            return
        name = self.directory.name
        if self.is_ours:
            note(f"the set-up of {name} broke off; making it anew\n")
            # Renamed first: half removed it would no longer be known as ours.
            old = self.directory.with_name(f"{name}-old")
            shutil.rmtree(old, ignore_errors=True)
            self.directory.rename(old)
            shutil.rmtree(old)
        elif any(self.directory.iterdir()):
            aside = self.directory.with_name(f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
            note(f"{name} lacks packages and was not made by bars_tf; moving it to {aside.name}\n")
            self.directory.rename(aside)

    def _install(self, lines: list[str], alone: list[str], lock, have: list[str]) -> None:
        """Installs packages by uv, where it is found and can, or by pip: wheels as they are, nothing is built."""
        tested = constraints(self.version or RUNNING)
        pinned = tested.exists() and os.environ.get("BARS_UNCONSTRAINED", "0") in ("", "0")
        options = [*WHEELS, *(["--constraint", tested] if pinned else [])]
        lists = [([], [line for line in lines if line not in alone]),
                 (["--no-deps"], [line for line in lines if line in alone])]
        # The pip of Python 3.10 builds nothing from source without --use-pep517. What is imported is compiled then.
        pip = [self.python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--use-pep517",
               "--no-compile", "--no-user", *options]
        uv = [shutil.which("uv"), "pip", "install", "--python", self.python, *options]
        begin = self.log.stat().st_size if self.log.exists() else 0
        steps = ["downloading packages" + ("" if have else " (about 0.8 GB)"), "installing packages"]
        for installer in (uv, pip) if uv[0] else (pip,):
            try:
                os.environ["BARS_DOWNLOAD_SECONDS"] = self._run(
                    steps, [[*installer, *more, *some] for more, some in lists if some], lock)
                if self._has([line for line in lines if line not in alone]):
                    return
                failed = Failed(f"pip put packages outside of {self.name}; 'pip config list' shows "
                                "the settings of pip that ask for it, PIP_CONFIG_FILE=/dev/null leaves them out")
            except (Failed, KeyboardInterrupt) as error:
                failed = error
                if isinstance(error, KeyboardInterrupt):
                    break
        if not DOWNLOADED.search(self.log.read_bytes(), begin):  # then nothing has changed yet
            self.installing.write_text("\n".join(have))
            self.installing.rename(self.installed)
        if isinstance(failed, KeyboardInterrupt):
            raise failed
        hint = f"; versions are those of {tested.relative_to(ROOT)}, BARS_UNCONSTRAINED=1 lets pip choose" * pinned
        if kept := sorted(name for name in os.environ if REACH.fullmatch(name)):
            hint += f"; pip follows your {', '.join(kept)}"
        raise Failed(f"{failed}{hint}")

    def _run(self, steps: list[str], commands: list[list], lock) -> str:
        """Runs commands with their output in the log and says how long each step takes; a second step begins when all
        downloads have ended. Returns the seconds of the first."""
        steps, begin = steps[:], self.log.stat().st_size if self.log.exists() else 0
        started = shown = time.monotonic()
        seconds = None
        environ = {name: value for name, value in os.environ.items()
                   if not name.startswith("PIP_") or REACH.fullmatch(name)}
        note(f"{steps[0]}: ")
        for command in commands:
            with open(self.log, "ab") as log:
                process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env=environ, pass_fds=(lock.fileno(),))
            while process.poll() is None:
                try:
                    process.wait(timeout=1)
                except KeyboardInterrupt:
                    process.terminate()
                    process.wait()
                    raise
                except subprocess.TimeoutExpired:
                    now = time.monotonic()
                    if steps[1:] and DOWNLOADED.search(self.log.read_bytes(), begin):
                        seconds = f"{now - started:.0f}"
                        say(f"done after {seconds} s\n")
                        del steps[0]
                        note(f"{steps[0]}: ")
                        started = shown = now
                    elif now - shown >= 15:
                        say(f"{now - started:.0f} s, ")
                        shown = now
            if process.returncode:
                break
        last = f"{time.monotonic() - started:.0f}"
        if process.returncode:
            say(f"failed after {last} s\n")
            lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith(("ERROR", "Looking in"))]  # which names the index
            say("".join(f"    {line[:300]}\n" for line in (errors or lines)[-8:]))
            raise Failed(f"{steps[0]} failed; the whole output is in {self.log}; the next call tries again")
        say(f"done after {last} s\n")
        return seconds or last


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def note(text: str) -> None:
    say(f"bars_tf: {text}")


if __name__ == "__main__":
    sys.exit(0 if all(map(satisfied, sys.argv[1:])) else 1)
