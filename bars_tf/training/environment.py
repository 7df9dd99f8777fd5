"""The machine of a run: start of TensorFlow on it, and its description for files of results."""

import contextlib
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


def peak_bytes() -> int:
    """Peak memory of this process, in bytes."""
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def initialize(run: RunSettings) -> tf.distribute.Strategy:
    """Connects to the other workers and seeds all random numbers. Must be called before any computation."""
    strategy = distribution.make_strategy(run.strategy)
    tf.keras.utils.set_random_seed(run.seed)
    with contextlib.suppress(RuntimeError):  # TensorFlow has started already, as in a notebook
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)  # otherwise TensorFlow reserves all of it
    if run.deterministic:
        tf.config.experimental.enable_op_determinism()
    return strategy


def machine() -> dict[str, Any]:
    """Processor, number of cores that the process may use, devices of TensorFlow, and operating system."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
            for gpu in tf.config.list_physical_devices("GPU")]
    return {"processor": name, "cores": cores, "devices": gpus or ["CPU"], "system": platform.platform()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages on which results depend."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    return versions


def git_revision() -> str | None:
    """The commit of the git repository that tracks this file, or None: an installed package may lie in another one."""
    here = Path(__file__)
    try:
        for command in (("ls-files", "--error-unmatch", here.name), ("rev-parse", "HEAD")):
            done = subprocess.run(["git", *command], cwd=here.parent, capture_output=True, text=True, timeout=5)
            if done.returncode:
                return None
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
