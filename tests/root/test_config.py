"""The clock of runs."""

import subprocess
import sys

from helpers import ROOT

STOPPED = """
import os, signal, subprocess, time
from bars_tf.config import running_seconds, stop_signals

with stop_signals(signal.SIG_DFL):
    began, start = time.monotonic(), running_seconds()
    subprocess.run(["sh", "-c", f"kill -STOP {os.getpid()}; sleep 1; kill -CONT {os.getpid()}"])
    time.sleep(0.1)
    print(time.monotonic() - began, running_seconds() - start)
"""


def test_times_do_not_count_what_a_process_was_stopped():
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, cwd=ROOT, check=True)
    total, running = map(float, done.stdout.split())
    assert total >= 1.1 and 0 <= running < total - 1
