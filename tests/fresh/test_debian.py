"""README's commands on machines with Python, its venv module and git, and nothing else: Debian in a chroot.

Needs root, debootstrap and a network; `bin/test --long -s -k debian` prints times and versions.
"""

import os
import shutil
import subprocess
import time

import pytest
from helpers import ROOT, TINY

pytestmark = [pytest.mark.long, pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("debootstrap"), reason="needs root and debootstrap")]
PACKAGES = "python3,python3-venv,git,ca-certificates"
VERSIONS = ("import sys, numpy, tensorflow as tf; from importlib.metadata import version as v; "
            "print('Python', sys.version.split()[0], 'TensorFlow', tf.__version__, 'tf-keras', v('tf-keras'), "
            "'NumPy', numpy.__version__, 'protobuf', v('protobuf'), 'larq', v('larq'))")


@pytest.mark.parametrize("release, has_engine", [("trixie", False), ("bookworm", True)])
def test_debian(release, has_engine, tmp_path):
    system = tmp_path / release
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, system], check=True,
                   stdout=subprocess.DEVNULL)
    # The way to the network is this machine's.
    for path in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
        shutil.copy(f"/{path}", system / path)
    subprocess.run(["git", "clone", "--quiet", ROOT, system / "home" / "user" / "bars_tf"], check=True)
    subprocess.run(["chown", "-R", "1000:1000", system / "home" / "user"], check=True)

    def call(*command):
        started = time.monotonic()
        index = os.environ.get("PIP_INDEX_URL")
        pip = [f"PIP_INDEX_URL={index}"] if index else []
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; exec '
             'chroot --userspec=1000:1000 "$0" "$@"', system, "env", "-i", "--chdir=/home/user/bars_tf", *pip,
             "HOME=/home/user", "PATH=/usr/bin:/bin", *command], capture_output=True, text=True, check=False)
        print(f"{release}: {' '.join(command)}: {time.monotonic() - started:.0f} s\n{done.stderr[-2000:]}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    assert "making .venv with" in call("bin/search", *TINY, "--workdir=runs/tiny").stderr
    print(call(".venv/bin/python", "-c", VERSIONS).stdout)
    done = call("bin/export", "--workdir=runs/tiny", "--name=tiny_net", "--output=tiny_net", "--allow_float_fallback")
    assert ("tiny_net.tflite" in done.stdout) == has_engine
    assert ("needs Python 3.10 to 3.12" in done.stderr) != has_engine
    if has_engine:
        call("bin/evaluate", "--model=tiny_net/tiny_net.tflite", "--max_steps=2")
    call("bin/test")
