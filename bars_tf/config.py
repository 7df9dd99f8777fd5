"""Settings that every program has, and the place of the shipped configuration files."""

import dataclasses
import json
import os
from pathlib import Path

from bars_tf.errors import InputError

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
            values = json.loads(os.environ["TF_CONFIG"])
            cluster, kind, index = values["cluster"], values["task"]["type"], values["task"]["index"]
            if not 0 <= index < len(cluster[kind]):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise InputError.of("strategy", self.strategy,
                                f"needs TF_CONFIG in the environment, as {CLUSTER}") from None
        return kind == "chief" or ("chief" not in cluster and index == 0)


def config_directories() -> list[Path]:
    """The directories that hold the shipped flag files, search spaces and genotypes."""
    package = Path(__file__).resolve().parent
    # In a checkout, and in an installed package.
    return [directory for directory in (package.parent / "configs", package / "configs") if directory.is_dir()]
