"""An installed package has all of its modules and data, wherever pip puts it."""

import configparser
import os
import subprocess
import sys

from helpers import ROOT


def test_every_folder_with_modules_is_a_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    folders = {".".join(path.relative_to(ROOT).parent.parts) for path in (ROOT / "bars_tf").rglob("__init__.py")}
    assert listed == folders | {"bars_tf.configs"}


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
    started = subprocess.run([sys.executable, place / "bin" / "bars-summary",
                              f"--genotype={place}/bars_tf/configs/genotypes/quickstart_seed0.json"], cwd=tmp_path,
                             env={**os.environ, "PYTHONPATH": str(place)}, capture_output=True, text=True, check=False)
    assert "peak activation bytes" in started.stdout, started.stderr
