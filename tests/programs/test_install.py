"""An installed package has all of its modules and data, wherever pip puts it."""

import configparser
import os
import subprocess
import sys

import pytest
from helpers import HAS_ENGINE, ROOT, TINY


def test_every_folder_with_modules_is_a_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    folders = {".".join(path.relative_to(ROOT).parent.parts) for path in (ROOT / "bars_tf").rglob("__init__.py")}
    assert listed == folders | {"bars_tf.configs"}
    # Ruff finds syntax that the oldest Python does not have.
    oldest = config["options"]["python_requires"].partition(",")[0].removeprefix(">=3.")
    assert f'target-version = "py3{oldest}"' in (ROOT / "ruff.toml").read_text()


def test_configs_are_data_of_the_package(tmp_path):
    """As `pip install --target`, `--user` and `--prefix` leave it: no checkout, another working directory."""
    place = tmp_path / "place"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
                    f"--target={place}", ROOT], check=True, cwd=tmp_path, capture_output=True, timeout=600)
    found = {path.name for path in (place / "bars_tf" / "configs").rglob("*.*")}
    assert {"quickstart.flags", "dilated_space.json", "quickstart_seed0.json"} <= found
    assert list((place / "bars_tf" / "data" / "datasets" / "fashion_mnist_small").rglob("*.tfrecord*"))
    assert {path.parts[-3] for path in (place / "bars_tf").glob("*/templates/*")} >= {"compare", "export", "report"}
    code = ("from bars_tf.cli.command_line import parse; "
            "print(parse('search', ['--flagfile=dilated.flags']).search_space.name)")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(place)},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    assert "peak activation bytes" in installed(place, tmp_path, "summary", "--genotype="
                                                f"{place}/bars_tf/configs/genotypes/quickstart_seed0.json").stdout


def installed(place, cwd, name, *arguments):
    """Runs a console script, in which to open a file of the checkout is an error."""
    (place / "sitecustomize.py").write_text(
        "import os, sys\n\ndef forbid(event, arguments):\n"
        f"    path = str(arguments[0]) if event == 'open' else ''\n"
        f"    if path.startswith({str(ROOT)!r} + os.sep) and not path.startswith(sys.prefix):\n"
        "        raise RuntimeError(f'{path} is of the checkout')\n\nsys.addaudithook(forbid)\n")
    return subprocess.run([sys.executable, place / "bin" / f"bars-{name}", *arguments], cwd=cwd, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(place)}, check=False)


@pytest.mark.long
def test_a_wheel_away_from_the_checkout(tmp_path):
    """Console scripts work from an empty directory, with the shipped configurations."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", f"--wheel-dir={tmp_path}", ROOT], check=True)
    wheel, = tmp_path.glob("bars_tf-*.whl")
    place, empty = tmp_path / "place", tmp_path / "empty"
    empty.mkdir()
    subprocess.run([*pip, "install", "--quiet", "--no-deps", f"--target={place}", wheel], check=True)
    done = installed(place, empty, "search", *TINY, "--workdir=run")
    assert done.returncode == 0 and (empty / "run" / "report.html").exists(), done.stderr
    done = installed(place, empty, "export", "--workdir=run", "--name=net", "--output=net", "--allow_float_fallback")
    assert done.returncode == 0 and (empty / "net" / "net.py").exists(), done.stderr
    assert (empty / "net" / "net.tflite").exists() == HAS_ENGINE
    done = installed(place, empty, "runs", "run")
    assert done.returncode == 0 and "run" in done.stdout, done.stderr
