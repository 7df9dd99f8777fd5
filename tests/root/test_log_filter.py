"""Log messages of TensorFlow stay away; all else gets through."""

import subprocess
import sys

import pytest
from helpers import ROOT

from bars_tf import log_filter

pytestmark = pytest.mark.slow

START = "import os, sys; from bars_tf.cli import main as programs; sys.exit(programs.run('search', {}, sys.argv[1:]))"
NOISY = ("lambda config: (__import__('bars_tf.legacy_keras').legacy_keras.tf.zeros(()), print('mine', file=sys.stderr),"
         " os.write(2, b'I0000 00:00:1700000000.1    55 service.cc:152] XLA service\\nF0000 fatal\\n')) and 0")


def test_noise_of_tensorflow_stays_away():
    command = [sys.executable, "-c", START.format(NOISY)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert sorted(result.stderr.splitlines()) == ["F0000 fatal", "mine"]
    result = subprocess.run([*command, "--verbosity=1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "XLA service" in result.stderr


def test_a_user_who_may_have_no_more_processes(monkeypatch):
    """Then nothing is filtered."""
    class Stderr:
        def fileno(self):
            return 2

    def refuse(*arguments, **more):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    stderr = Stderr()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(log_filter.subprocess, "Popen", refuse)
    log_filter.filter_stderr()
    assert sys.stderr is stderr
