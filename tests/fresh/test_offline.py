"""A set-up without a network, of packages that were collected as docs/guide/install.md says. Downloads 0.9 GB."""

import os
import subprocess
import sys

import pytest
from helpers import ROOT, TINY

OFFLINE = ["unshare", "--net", "--map-root-user"]
pytestmark = [pytest.mark.long, pytest.mark.skipif(
    subprocess.run(["sh", "-c", f"{' '.join(OFFLINE)} true"], capture_output=True, check=False).returncode != 0,
    reason="needs namespaces (unshare)")]


def test_offline(tmp_path):
    checkout, packages = tmp_path / "bars_tf", tmp_path / "packages"
    subprocess.run(["git", "clone", "--quiet", ROOT, checkout], check=True)
    guide = (ROOT / "docs" / "guide" / "install.md").read_text().splitlines()
    command, = [line for line in guide if "pip download" in line]
    words = command.replace("py311", f"py3{sys.version_info[1]}").split()
    subprocess.run([sys.executable, *words[1:-1], packages], cwd=checkout, check=True, capture_output=True)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "BARS_", "PYTHON"))}
    environ |= {"PATH": f"{os.path.dirname(os.path.realpath(sys.executable))}:/usr/bin:/bin", "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(packages)}
    for arguments in (["search", *TINY, "--workdir=run"],
                      ["export", "--workdir=run", "--name=net", "--output=net", "--allow_float_fallback"]):
        done = subprocess.run([*OFFLINE, f"bin/{arguments[0]}", *arguments[1:]], cwd=checkout, env=environ,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0 and (checkout / ".venv").exists(), done.stderr
    assert (checkout / "net" / "net.py").exists()
    assert (checkout / "net" / "net.tflite").exists() == (sys.version_info < (3, 13))
