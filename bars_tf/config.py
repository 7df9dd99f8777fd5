"""Settings that every program has, and the place of the shipped configuration files."""

import contextlib
import dataclasses
import json
import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from bars_tf.errors import InputError

# A run that gets one of these saves and ends. When it gets another one, it ends at once, but for those that come again
# by themselves: shells and services send SIGHUP twice or after SIGTERM, the system SIGXCPU each second beyond a limit.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU, signal.SIGQUIT, signal.SIGUSR1,
                signal.SIGUSR2)
REPEATED = (signal.SIGHUP, signal.SIGXCPU)
# Further signals within so many seconds are the same wish: a terminal sends Ctrl-C to all processes of a command, and
# those that start others (uv, npm, mpirun) or stop them (timeout) send it to them once more.
FORWARDED = 1.0


class _Clock:
    last, stopped = time.monotonic(), 0.0  # the time of the last look, and seconds between a look and a continuation
    signalled = -math.inf  # the time of the last signal that was heard

    def look(self) -> float:
        self.last = time.monotonic()
        return self.last - self.stopped

    def resume(self, *_: object) -> None:
        before, now = self.last, time.monotonic()
        self.last, self.stopped = now, self.stopped + now - before


_clock = _Clock()
# Seconds without those in which the process was stopped, as by Ctrl-Z, from the last look before the stop: one looks at
# each step. So neither the time left nor the times of a run count them. Handlers of `stop_signals` see the stop.
running_seconds = _clock.look


@contextlib.contextmanager
def stop_signals(handler: Callable | signal.Handlers) -> Iterator[None]:
    """A context with this handler of `STOP_SIGNALS`, but for those that the process was started to ignore, as by nohup.
    It is called once for all signals within `FORWARDED` seconds. Threads beside the main one have none."""
    def hear(number: int, frame: FrameType | None) -> None:
        if (now := time.monotonic()) - _clock.signalled >= FORWARDED:
            _clock.signalled = now
            handler(number, frame)

    main = threading.current_thread() is threading.main_thread()
    _clock.signalled = -math.inf
    heard = handler if isinstance(handler, signal.Handlers) else hear
    handlers = {**dict.fromkeys(STOP_SIGNALS, heard), signal.SIGCONT: _clock.resume}
    before = {number: signal.signal(number, handlers[number]) for number in handlers
              if main and signal.getsignal(number) not in (signal.SIG_IGN, None)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


ADDRESS = re.compile(r"(\[[\da-fA-F:.]+\]|[^\s\[\]:]+):[1-9]\d{0,4}")
CLUSTER = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """How a run is carried out, whatever it computes."""

    workdir: str = ""  # directory of the run
    seed: int = 0  # of data order, initial weights and sampling
    deterministic: bool = False  # whether TensorFlow uses deterministic kernels only
    max_steps: int = 0  # steps after which every epoch ends; 0 for no limit
    strategy: str = "one_device"  # "one_device", "mirrored" or "multi_worker"
    save_minutes: float = 10.0  # time between two checkpoints within an epoch
    mlflow: bool = False  # whether the finished run is logged to MLflow

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes files.

        Raises: InputError if there are to be several processes and TF_CONFIG does not say which one this is.
        """
        if self.strategy != "multi_worker":
            return True
        try:
            kind, index, has_chief = _task(os.environ.get("TF_CONFIG", ""))
        except ValueError as error:
            raise InputError.of("strategy", self.strategy,
                                f"needs TF_CONFIG in the environment, as {CLUSTER}: {error}") from None
        return kind == "chief" or (index == 0 and not has_chief)


def _task(text: str) -> tuple[str, int, bool]:
    """Type and index of the task in TF_CONFIG, and whether its cluster has a chief.

    Raises: ValueError where TensorFlow would wait for ever, end without a message, or fail with a trace.
    """
    if not text.strip():
        raise ValueError("it is missing")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from None
    try:
        cluster, kind, index = values["cluster"], values["task"]["type"], values["task"]["index"]
        addresses = [address for job in cluster.values() for address in job if isinstance(job, list)]
        wrong = [address for address in addresses if not (
            ADDRESS.fullmatch(address) and int(address.rpartition(":")[2]) < 2**16 and address.isprintable())]
    except (KeyError, TypeError, AttributeError):
        raise ValueError("it has another form") from None
    if other := set(cluster) - {"chief", "worker"}:
        raise ValueError(f"the jobs are worker, and chief for one of them, not {min(other)}")
    if not addresses or len(set(map(str.lower, addresses))) < sum(map(len, cluster.values())):
        raise ValueError("each job is a list of addresses that differ")
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not an address HOST:PORT")
    if len(cluster.get("chief", ["one"])) != 1:
        raise ValueError("there is one chief")
    if type(index) is not int or not 0 <= index < len(cluster.get(str(kind), [])):
        raise ValueError(f"the cluster has no task {kind!r} of index {index!r}")
    return kind, index, "chief" in cluster


def config_directories() -> list[Path]:
    """The directories that hold the shipped flag files, search spaces and genotypes."""
    package = Path(__file__).resolve().parent
    # In a checkout, and in an installed package.
    return [directory for directory in (package.parent / "configs", package / "configs") if directory.is_dir()]
