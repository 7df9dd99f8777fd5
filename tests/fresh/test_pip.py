"""A wheel in a fresh environment of each Python, by the two commands of docs/guide/install.md, away from the checkout.

Downloads 0.8 GB for each Python; `bin/test --long -s tests/fresh/test_pip.py` prints versions and times.
"""

import subprocess
import time

import pytest
from helpers import ROOT, TINY

pytestmark = pytest.mark.long
VERSIONS = ("import sys; from importlib.metadata import version as v; print('Python', sys.version.split()[0], "
            "*(f'{name} {v(name)}' for name in ('tensorflow', 'tf-keras', 'numpy', 'protobuf', 'larq', 'larq-zoo')))")


@pytest.mark.parametrize("minor", [10, 11, 12, 13])
def test_a_wheel_in_a_fresh_environment(minor, tmp_path):
    python = subprocess.run([ROOT / "bin" / "_python", "--find", f">=3.{minor},<3.{minor + 1}"], capture_output=True,
                            text=True, check=False).stdout.strip()
    if not python:
        pytest.skip(f"no Python 3.{minor}")
    fresh, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()

    def call(program, *arguments):
        started = time.monotonic()
        done = subprocess.run([fresh / "bin" / program, *arguments], cwd=empty, capture_output=True, text=True,
                              check=False)
        print(f"3.{minor}: {program} {' '.join(map(str, arguments))}: {time.monotonic() - started:.0f} s")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    subprocess.run([python, "-m", "venv", fresh], check=True)
    call("pip", "install", "--quiet", "--upgrade", "pip", "wheel")
    call("pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={tmp_path}", ROOT)
    wheel, = tmp_path.glob("bars_tf-*.whl")
    # No GPU is needed, and nothing downloaded, to see that the CUDA packages fit together.
    call("pip", "install", "--quiet", "--dry-run", f"--report={tmp_path / 'report.json'}", f"{wheel}[gpu]")
    assert "nvidia-cudnn" in (tmp_path / "report.json").read_text()
    commands = [line.split() for line in (ROOT / "docs" / "guide" / "install.md").read_text().splitlines()
                if line.startswith("pip install ")]
    assert len(commands) == 2
    for _, *command in commands:
        call("pip", *(wheel if word == "." else word for word in command))
    print(call("python", "-c", VERSIONS))
    assert "test accuracy" in call("bars-search", *TINY, "--workdir=run")
    call("bars-export", "--workdir=run", "--name=net", "--output=net", "--allow_float_fallback")
    assert (empty / "net" / "net.py").exists()
    assert "run" in call("bars-runs", "run")
