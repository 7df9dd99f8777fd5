"""The set-up that `bin/*` make at first use, in a copy with one small requirement of its own: nothing is downloaded."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT

SETUP = "[options]\ninstall_requires =\n    # why\n    {}\n[options.extras_require]\ntest =\n    other-stub\n"
PRINT = "import bars_stub, os, sys; print(sys.prefix, os.environ.get('BARS_SETUP_SECONDS'), os.environ['PYTHONPATH'])"


@pytest.fixture
def checkout(tmp_path):
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "bin", copy / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "setup.cfg").write_text(SETUP.format("bars-stub>=1.0,<2"))
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
    for name in ("bars", "other", "zoo"):
        info = f"{name}_stub-1.5.dist-info"
        with zipfile.ZipFile(tmp_path / "wheels" / f"{name}_stub-1.5-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}_stub.py", "")
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\n"
                           f"Name: {name}-stub\nVersion: 1.5\n" + needs.get(name, ""))
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    path = os.pathsep.join(str(tmp_path / name) for name in ("tools", "failing", "python"))
    return {"PATH": path, "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path), "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(tmp_path / "wheels"), "PIP_CONFIG_FILE": os.devnull}


def call(checkout, environ, *arguments, **more):
    command = [checkout / "bin" / "_python", *arguments]
    return subprocess.run(command, env=environ | more, capture_output=True, text=True, check=False)


def test_no_python_fits(checkout, environ, tmp_path):
    (tmp_path / "python" / "python3").unlink()
    result = call(checkout, environ, "-c", "")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "Python 3.10, 3.11 or 3.12" in result.stderr and "apt install" in result.stderr
    assert not (checkout / ".venv").exists()


def test_environment_that_has_the_packages_is_used(checkout, environ):
    (checkout / "setup.cfg").write_text(SETUP.format("pip>=9"))
    environment = checkout.parent / "own"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    path = f"{environment / 'bin'}{os.pathsep}{environ['PATH']}"
    result = call(checkout, environ, "-c", "import sys; print(sys.prefix)", PATH=path)
    assert (result.stdout.strip(), result.stderr, result.returncode) == (str(environment), "", 0)
    assert not (checkout / ".venv").exists()
    # Out of bounds, and there is no other: so it is not used, and the failure of pip is shown.
    (checkout / "setup.cfg").write_text(SETUP.format("pip>=9,<10"))
    result = call(checkout, environ, "-c", "", PATH=path)
    assert result.returncode == 1
    assert "ERROR: No matching distribution found for pip" in result.stderr
    assert result.stderr.splitlines()[-1].endswith("the next call tries again")


def test_set_up_repair_and_extras(checkout, environ):
    venv = checkout / ".venv"
    venv.mkdir()
    (venv / "mine").touch()
    result = call(checkout, environ, "-c", PRINT)
    assert result.returncode == 0, result.stderr
    prefix, seconds, path = result.stdout.split()
    assert (prefix, path) == (str(venv), str(checkout)) and seconds.isdigit()
    assert "takes about 2 minutes" in result.stderr and "WARNING" not in result.stderr
    assert len(list(checkout.glob(".venv-*/mine"))) == 1  # moved aside, not removed

    result = call(checkout, environ, "-c", PRINT)
    assert result.stdout.split()[:2] == [str(venv), "None"] and result.stderr == ""

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
    setup = SETUP.format("zoo-stub")
    (checkout / "setup.cfg").write_text(setup)
    assert "ERROR: No matching distribution found for other-stub<1" in call(checkout, environ, "-c", "").stderr
    (checkout / "setup.cfg").write_text(setup + "[environment]\nalone =\n    zoo-stub\n")
    assert call(checkout, environ, "-c", "import zoo_stub").returncode == 0
    # An environment of an earlier form of the code gets what is new besides.
    (checkout / "setup.cfg").write_text(setup + "[environment]\nbesides =\n    other-stub\n")
    result = call(checkout, environ, "-c", "import zoo_stub, other_stub")
    assert result.returncode == 0 and "adding packages" in result.stderr


def test_any_directory_and_links(tmp_path):
    (tmp_path / "summary-link").symlink_to(ROOT / "bin" / "summary")
    (tmp_path / "random.py").write_text("raise ImportError('imported from the working directory')\n")
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(["./summary-link", "--help"], cwd=tmp_path, env=environ, capture_output=True, text=True,
                            check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "--genotype" in result.stdout
