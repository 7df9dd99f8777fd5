"""The set-up that `bin/*` make at first use, in a copy with one small requirement of its own: nothing is downloaded.

The copy stands in a directory with a space and letters beyond ASCII, and all runs have the locale C and no terminal.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT, read_only

SETUP = ("[options]\npython_requires = >=3.10,<3.14\ninstall_requires =\n    # why\n    {}\n"
         "[options.extras_require]\ntest =\n    other-stub\ndeploy =\n    engine-stub{}\n")
PRINT = "import bars_stub, os, sys; print(sys.prefix, os.environ.get('BARS_SETUP_SECONDS'), os.environ['PYTHONPATH'])"
THIS = f"3.{sys.version_info[1]}"


@pytest.fixture
def checkout(tmp_path):
    copy = tmp_path / "the chéckout"
    shutil.copytree(ROOT / "bin", copy / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "setup.cfg").write_text(SETUP.format("bars-stub>=1.0,<2", ""))
    (copy / "bars_tf" / "cli").mkdir(parents=True)
    (copy / "bars_tf" / "cli" / "main.py").write_text(
        "import sys\nfrom importlib.util import find_spec\n\ndef export():\n"
        "    print('engine' if find_spec('engine_stub') else 'none', sys.version_info[1])\n"
        "search = evaluate = export\n")
    return copy


@pytest.fixture
def environ(tmp_path):
    """A PATH with a python3 that fails, as stubs of version managers do, and before it nothing but two tools."""
    for name in ("tools", "failing", "python", "wheels"):
        (tmp_path / name).mkdir()
    for tool in ("sh", "readlink", "dirname"):
        (tmp_path / "tools" / tool).symlink_to(shutil.which(tool))
    (tmp_path / "failing" / "python3").write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    (tmp_path / "failing" / "python3").chmod(0o755)
    (tmp_path / "python" / "python3").symlink_to(os.path.realpath(sys.executable))
    needs = {"zoo": "Requires-Dist: other-stub<1\n"}
    for name, version in (("bars", "1.4"), ("bars", "1.5"), ("other", "1.5"), ("zoo", "1.5"), ("engine", "1.5")):
        info = f"{name}_stub-{version}.dist-info"
        with zipfile.ZipFile(tmp_path / "wheels" / f"{name}_stub-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}_stub.py", f"version = {version!r}")
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\n"
                           f"Name: {name}-stub\nVersion: {version}\n" + needs.get(name, ""))
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    path = os.pathsep.join(str(tmp_path / name) for name in ("tools", "failing", "python"))
    return {"PATH": path, "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path), "PIP_NO_INDEX": "1", "LC_ALL": "C",
            "PIP_FIND_LINKS": str(tmp_path / "wheels"), "PIP_CONFIG_FILE": os.devnull}


def call(checkout, environ, *arguments, wrapper=(), **more):
    command = [*wrapper, checkout / "bin" / "_python", *arguments]
    return subprocess.run(command, env=environ | more, capture_output=True, text=True, encoding="utf-8", check=False)


def program(checkout, environ, *arguments, **more):
    return call(checkout, environ, checkout / "bin" / "_run.py", *arguments, **more)


def test_no_python_fits(checkout, environ, tmp_path):
    (tmp_path / "python" / "python3").unlink()
    result = call(checkout, environ, "-c", "")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "Python 3.10 or newer, older than 3.14" in result.stderr and "apt install" in result.stderr
    assert not (checkout / ".venv").exists()


def test_environment_that_has_the_packages_is_used(checkout, environ):
    (checkout / "setup.cfg").write_text(SETUP.format("pip>=9", ""))
    environment = checkout.parent / "own"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    path = f"{environment / 'bin'}{os.pathsep}{environ['PATH']}"
    result = call(checkout, environ, "-c", "import sys; print(sys.prefix)", PATH=path)
    assert (result.stdout.strip(), result.stderr, result.returncode) == (str(environment), "", 0)
    assert not (checkout / ".venv").exists()
    # Out of bounds, and there is no other: so it is not used, and the failure of pip is shown.
    (checkout / "setup.cfg").write_text(SETUP.format("pip>=9,<10", ""))
    result = call(checkout, environ, "-c", "", PATH=path)
    assert result.returncode == 1
    assert "ERROR: No matching distribution found for pip" in result.stderr
    assert "; the next call tries again; pip follows your PIP_CONFIG_FILE, " in result.stderr.splitlines()[-1]


def test_set_up_repair_and_extras(checkout, environ):
    venv = checkout / ".venv"
    venv.mkdir()
    (venv / "mine").touch()
    result = call(checkout, environ, "-c", PRINT)
    assert result.returncode == 0, result.stderr
    line, = result.stdout.splitlines()
    assert line.startswith(f"{venv} ") and line.endswith(f" {checkout}") and line.split()[-3].isdigit(), line
    assert "takes about 2 minutes" in result.stderr and "WARNING" not in result.stderr
    assert len(list(checkout.glob(".venv-*/mine"))) == 1  # moved aside, not removed

    result = call(checkout, environ, "-c", PRINT)
    assert result.stdout.split()[-3] == "None" and result.stderr == ""

    result = call(checkout, environ, "-c", "import bars_stub, other_stub", BARS_EXTRAS="test")
    assert result.returncode == 0 and "adding packages" in result.stderr
    assert call(checkout, environ, "-c", "import other_stub").stderr == ""
    result = call(checkout, environ, "-c", "", BARS_EXTRAS="test, tset")
    assert result.returncode == 2 and "BARS_EXTRAS=test, tset: tset is not one of test" in result.stderr

    # As a set-up leaves it that is killed while pip runs.
    (venv / "installed.txt").rename(venv / "installing.txt")
    shutil.rmtree(venv / "lib")
    result = call(checkout, environ, "-c", PRINT)
    assert result.returncode == 0 and "broke off" in result.stderr
    assert not (venv / "installing.txt").exists() and not (checkout / ".venv-old").exists()


def test_package_whose_own_requirements_are_too_narrow(checkout, environ):
    setup = SETUP.format("zoo-stub", "")
    (checkout / "setup.cfg").write_text(setup)
    assert "ERROR: No matching distribution found for other-stub<1" in call(checkout, environ, "-c", "").stderr
    environ = environ | {"HOME": "/dev/null"}  # where nothing can be written
    (checkout / "setup.cfg").write_text(setup + "[environment]\nalone =\n    zoo-stub\n")
    assert call(checkout, environ, "-c", "import zoo_stub").returncode == 0
    # An environment of an earlier form of the code gets what is new besides.
    (checkout / "setup.cfg").write_text(setup + "[environment]\nbesides =\n    other-stub\n")
    del environ["HOME"]
    result = call(checkout, environ, "-c", "import zoo_stub, other_stub")
    assert result.returncode == 0 and "adding packages" in result.stderr


def test_constraints(checkout, environ, tmp_path):
    """The versions that were tested are installed, not the newest; where they are not to be had, pip may choose."""
    constraints = checkout / "constraints" / f"py3{sys.version_info[1]}.txt"
    constraints.parent.mkdir()
    constraints.write_text("# Made by ...\nbars-stub==1.4\nother-stub==1.5\n")
    # A uv that fails is no hindrance.
    (tmp_path / "tools" / "uv").write_text("#!/bin/sh\necho 'error: uv has no cache' >&2\nexit 2\n")
    (tmp_path / "tools" / "uv").chmod(0o755)
    version = "import bars_stub; print(bars_stub.version)"
    result = call(checkout, environ, "-c", version)
    assert result.stdout.strip() == "1.4" and "error: uv has no cache" in result.stderr, result.stderr
    (checkout / "setup.cfg").write_text(SETUP.format("bars-stub>=1.5", ""))
    result = call(checkout, environ, "-c", version)
    assert result.returncode == 1
    assert f"constraints/{constraints.name}, BARS_UNCONSTRAINED=1 lets pip choose" in result.stderr.splitlines()[-1]
    assert call(checkout, environ, "-c", version, BARS_UNCONSTRAINED="1").stdout.strip() == "1.5"


def test_engine(checkout, environ, tmp_path):
    """bin/export and bin/evaluate of a .tflite get the engine by themselves; without it they still run."""
    # Without a terminal, as everywhere here, and without standard streams.
    closed = ["sh", "-c", 'exec "$0" "$@" 2>&- <&-']
    assert program(checkout, environ, "search", wrapper=closed).stdout.startswith("none")
    assert program(checkout, environ, "export", "--help").stdout.startswith("none")
    assert program(checkout, environ, "evaluate", "--model=a.h5").stdout.startswith("none")
    assert program(checkout, environ, "export", "--format=zoo,c").stdout.startswith("none")
    (tmp_path / "wheels" / "engine_stub-1.5-py3-none-any.whl").rename(tmp_path / "engine.whl")
    result = program(checkout, environ, "export")
    assert result.stdout.startswith("none") and "without the Larq Compute Engine: downloading" in result.stderr
    assert program(checkout, environ, "search").stderr == ""  # .venv is as it was
    (tmp_path / "engine.whl").rename(tmp_path / "wheels" / "engine_stub-1.5-py3-none-any.whl")
    result = program(checkout, environ, "evaluate", "--model", "a.tflite")
    assert result.stdout.startswith("engine") and "adding packages for the Larq Compute Engine" in result.stderr
    result = program(checkout, environ, "export")
    assert result.stdout.startswith("engine") and result.stderr == ""


@pytest.mark.long
def test_engine_without_packages_for_this_python(checkout, environ):
    (checkout / "setup.cfg").write_text(SETUP.format("bars-stub", f"; python_version < '{THIS}'"))
    result = program(checkout, environ, "export")
    assert result.stdout.startswith("none") and "making .venv with" in result.stderr
    result = program(checkout, environ, "export")
    assert result.stdout.startswith("none") and result.stderr == ""
    older = subprocess.run([ROOT / "bin" / "_python", "--find", f">=3.10,<{THIS}"], capture_output=True, text=True,
                           check=False).stdout.strip()
    if not older:
        pytest.skip("there is no older Python")
    result = program(checkout, environ, "export", PATH=f"{environ['PATH']}{os.pathsep}{Path(older).parent}")
    assert result.stdout.startswith("engine") and result.stdout.split()[1] != THIS[2:], result.stderr
    assert "first use of the Larq Compute Engine: making .venv-engine with" in result.stderr
    result = program(checkout, environ, "evaluate", "--model=a.tflite")
    assert result.stdout.startswith("engine") and result.stderr == ""
    assert program(checkout, environ, "search").stdout.split() == ["none", THIS[2:]]


def test_checkout_that_cannot_be_written(checkout, environ, tmp_path):
    """The environment goes to the cache; one that is there already is used."""
    result = call(checkout, environ, "-c", PRINT, wrapper=read_only(checkout))
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{tmp_path}/.cache/bars_tf/the chéckout-")
    assert result.stderr.count("read-only") == 1 and not (checkout / ".venv").exists()
    assert call(checkout, environ, "-c", PRINT, wrapper=read_only(checkout)).stderr == ""
    result = call(checkout, environ, "-c", "", wrapper=read_only(checkout), HOME="/dev/null")
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and "XDG_CACHE_HOME" in result.stderr
    result = call(checkout, environ, "-c", "", wrapper=read_only(checkout), XDG_CACHE_HOME="~/.cache")
    assert result.returncode == 1 and "its path must be absolute; set XDG_CACHE_HOME" in result.stderr
    assert call(checkout, environ, "-c", "").returncode == 0
    result = call(checkout, environ, "-c", PRINT, wrapper=read_only(checkout), HOME="/dev/null")
    assert result.stdout.startswith(f"{checkout}/.venv ") and result.stderr == ""


def test_scripts_that_may_not_be_executed(checkout, environ):
    """As in a mounted Google Drive or from an archive without modes: `sh bin/search` runs all the same."""
    (checkout / "setup.cfg").write_text(SETUP.format("pip", ""))
    for path in (checkout / "bin").iterdir():
        path.chmod(0o644)
    result = subprocess.run(["sh", checkout / "bin" / "search"], env=environ, capture_output=True, text=True,
                            check=False)
    assert result.returncode == 0 and result.stdout.startswith("none"), result.stderr


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone")
def test_line_ends_of_scripts_in_clones_made_on_windows():
    found = subprocess.run(["git", "check-attr", "eol", "bin/search", "bin/_python", "setup.cfg"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout
    assert found.count(": lf\n") == 3


HARMFUL = {"PYTHONIOENCODING": "nonsense", "PYTHONHOME": "/nowhere", "PYTHONMALLOC": "nonsense", "PYTHONUTF8": "2",
           "PYTHONHASHSEED": "no", "PYTHONTRACEMALLOC": "no", "PYTHONPLATLIBDIR": "no", "PYTHONINTMAXSTRDIGITS": "no",
           "PYTHONEXECUTABLE": "/nowhere", "PYTHONSAFEPATH": "1", "PYTHONINSPECT": "1", "PYTHONUSERBASE": "/nowhere",
           "__PYVENV_LAUNCHER__": "/nowhere", "PYTHON_GIL": "7", "PYTHON_CPU_COUNT": "no", "PYTHONDEVMODE": "1",
           "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSTARTUP": "/nowhere", "PYTHONNOUSERSITE": "1",
           "VIRTUAL_ENV": "/nowhere", "CONDA_PREFIX": "/nowhere", "PYTHONPERFSUPPORT": "no"}


@pytest.mark.parametrize("names", [
    [*HARMFUL], *(pytest.param([name], marks=pytest.mark.long) for name in HARMFUL)],
    ids=lambda names: "+".join(names)[:40])
def test_variables_of_other_pythons(names, checkout, environ):
    (checkout / "setup.cfg").write_text(SETUP.format("pip", ""))
    (checkout / "bars_tf" / "cli" / "main.py").write_text("import encodings\n\ndef search():\n    print('ran')\n")
    program(checkout, environ, "search")  # sets up, where the system's Python has no pip
    result = program(checkout, environ, "search", **{name: HARMFUL[name] for name in names})
    assert (result.stdout, result.stderr, result.returncode) == ("ran\n", "", 0)


def test_foreign_modules_by_pythonpath(checkout, environ, tmp_path):
    """Modules of the standard library and others are not taken from there, but packages that are nowhere else are."""
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in ("enum", "re", "subprocess", "sitecustomize"):
        (foreign / f"{name}.py").write_text("raise ImportError('foreign')\n")
    path = f"{tmp_path / 'none'}{os.pathsep}{foreign}"
    result = call(checkout, environ, "-c", PRINT, PYTHONPATH=path)
    assert result.returncode == 0 and result.stdout.split()[-1].endswith("chéckout"), result.stderr
    shutil.rmtree(checkout / ".venv")
    wheel = tmp_path / "wheels" / "bars_stub-1.5-py3-none-any.whl"
    zipfile.ZipFile(wheel).extractall(tmp_path / "cluster")
    result = call(checkout, environ, "-c", "import bars_stub; print(bars_stub.__file__)",
                  PYTHONPATH=str(tmp_path / "cluster"))
    assert result.stdout == f"{tmp_path}/cluster/bars_stub.py\n" and result.stderr == ""


PIP = {"user": "true", "target": "{0}", "prefix": "{0}", "root": "{0}", "constraint": "{0}", "requirement": "{0}",
       "require-virtualenv": "true", "no-deps": "true", "quiet": "3", "dry-run": "true", "editable": "{0}",
       "no-binary": ":all:", "only-binary": ":none:", "require-hashes": "true", "log": "{0}/log", "python": "{0}",
       "break-system-packages": "true", "isolated": "true", "ignore-installed": "true", "report": "{0}/report"}


@pytest.mark.long
def test_settings_of_pip(checkout, environ, tmp_path):
    """Those by which packages are reached hold, others do not; what hinders is named."""
    odd = {f"PIP_{name.upper().replace('-', '_')}": value.format(tmp_path / "none") for name, value in PIP.items()}
    result = call(checkout, environ, "-c", PRINT, **odd, PIP_CONFIG_FILE=str(tmp_path / "none.conf"))
    log = (checkout / ".venv" / "install.log").read_text()
    assert result.returncode == 0 and "Installing collected packages" in log, result.stderr
    assert not (tmp_path / "none").exists() and result.stdout.startswith(f"{checkout}/.venv ")
    (tmp_path / "pip.conf").write_text("[global]\nuser = true\nrequire-virtualenv = true\n")
    result = call(checkout, environ, "-c", "import other_stub", BARS_EXTRAS="test",
                  PIP_CONFIG_FILE=str(tmp_path / "pip.conf"))
    assert result.returncode == 0, result.stderr
    (tmp_path / "pip.conf").write_text(f"[install]\ntarget = {tmp_path / 'none'}\n")
    result = call(checkout, environ, "-c", "", BARS_EXTRAS="deploy", PIP_CONFIG_FILE=str(tmp_path / "pip.conf"))
    assert result.returncode == 1 and "PIP_CONFIG_FILE=/dev/null leaves them out" in result.stderr.splitlines()[-1]
    del environ["PIP_NO_INDEX"], environ["PIP_FIND_LINKS"]
    result = call(checkout, environ, "-c", "", BARS_EXTRAS="deploy", PIP_INDEX_URL="http://127.0.0.1:9/simple",
                  PIP_RETRIES="0")
    assert result.returncode == 1 and "    Looking in indexes: http://127.0.0.1:9/simple" in result.stderr
    assert result.stderr.splitlines()[-1].endswith(
        "pip follows your PIP_CONFIG_FILE, PIP_INDEX_URL, PIP_RETRIES"), result.stderr


@pytest.mark.long
def test_an_interrupted_set_up(checkout, environ):
    """One line, and nothing left that would keep the next call from working; Ctrl-C goes to pip too."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # of which pip gets no answer
        more = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        for send, number, moment, begins in (
                (os.killpg, signal.SIGINT, "making the env", "first use"),
                (os.killpg, signal.SIGINT, "downloading", "the set-up of .venv broke off; making it anew"),
                (os.kill, signal.SIGTERM, "downloading", "adding packages"),
                (os.kill, signal.SIGHUP, "downloading", "adding packages")):
            process = subprocess.Popen([checkout / "bin" / "_python", "-c", ""], env=environ | more, text=True,
                                       stderr=subprocess.PIPE, start_new_session=True)
            seen = ""
            while moment not in seen:
                seen += process.stderr.read(1)
            if moment == "downloading":
                silent.accept()
            send(process.pid, number)
            end = process.communicate(timeout=60)[1].splitlines()
            assert (process.returncode, end[-1]) == (130, "bars_tf: set-up interrupted; the next call repairs it"), end
            assert seen.startswith(f"bars_tf: {begins}"), seen
    result = call(checkout, environ, "-c", PRINT)
    assert result.returncode == 0 and "adding packages" in result.stderr, result.stderr  # pip may have to end


def test_any_directory_and_links(tmp_path):
    (tmp_path / "summary-link").symlink_to(ROOT / "bin" / "summary")
    (tmp_path / "random.py").write_text("raise ImportError('imported from the working directory')\n")
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(["./summary-link", "--help"], cwd=tmp_path, env=environ, capture_output=True, text=True,
                            check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "--genotype" in result.stdout
