"""The machine and the processes that a program runs on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from bars_tf.config import RunSettings
from bars_tf.legacy_keras import tf
from bars_tf.training import distribution

PACKAGES = ("bars_tf", "tensorflow", "tf_keras", "larq", "larq-zoo", "tensorflow-datasets", "numpy")


def machine() -> dict[str, Any]:
    """The processor, the number of cores that this process may use, the devices and the system."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"processor": name, "cores": cores, "devices": devices(), "system": platform.platform()}


def peak_bytes() -> int:
    """The most memory that this process has held, in bytes."""
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def start(run: RunSettings) -> tf.distribute.Strategy:
    """Joins the other workers and seeds everything, before anything is drawn or built."""
    strategy = distribution.make(run.strategy)
    tf.keras.utils.set_random_seed(run.seed)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # else TensorFlow takes all of it at once
    if run.deterministic:
        tf.config.experimental.enable_op_determinism()
    return strategy


def devices() -> list[str]:
    """The names of the devices that TensorFlow computes on."""
    gpus = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus] or ["CPU"]


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed as a package"
    return found


def git_revision() -> str | None:
    """The commit of the repository that this file is tracked in: an installed package may lie in another one's."""
    here = Path(__file__)
    try:
        for command in (("ls-files", "--error-unmatch", here.name), ("rev-parse", "HEAD")):
            done = subprocess.run(["git", *command], cwd=here.parent, capture_output=True, text=True, timeout=5)
            if done.returncode:
                return None
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
