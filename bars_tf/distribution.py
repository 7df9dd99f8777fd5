"""Search and training on several devices and machines, under `tf.distribute`.

A step of n replicas is the step of one device: image i of a batch goes to replica i modulo n, draws follow the seed and
the step on all of them, gradients and batch-norm sums are added up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from bars_tf.config import InputError
from bars_tf.legacy_keras import tf

EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
STRATEGIES = ("one_device", "mirrored", "multi_worker")


def is_chief(strategy: str) -> bool:
    """Whether this process is the one that writes files.

    Raises: InputError if TF_CONFIG is wrong.
    """
    if strategy != "multi_worker":
        return True
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        task, workers = config["task"], {name: list(config["cluster"][name]) for name in config["cluster"]}
        if task["type"] not in workers or not 0 <= task["index"] < len(workers[task["type"]]):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise InputError.of("strategy", strategy, f"needs TF_CONFIG in the environment, such as {EXAMPLE}") from None
    return task["type"] == "chief" or ("chief" not in workers and task["index"] == 0)


def make(strategy: str) -> tf.distribute.Strategy:
    """The strategy of that name. Of several workers, each has to make it before it computes anything."""
    if strategy == "mirrored":
        return tf.distribute.MirroredStrategy([d.name for d in tf.config.list_logical_devices("GPU")] or [
            d.name for d in tf.config.list_logical_devices("CPU")])
    if strategy == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def distribute(strategy: tf.distribute.Strategy, batches: Callable[[tuple[int, int]], tf.data.Dataset],
               batch_size: int) -> tf.data.Dataset:
    """Batches for `fit`, each shared by the replicas.

    Args:
        batches: the batches of a shard (i, n), which has every nth image from the ith on.
    Raises: ValueError if the batch can't be shared evenly.
    """
    if strategy.num_replicas_in_sync == 1:
        return batches((0, 1))
    if batch_size % strategy.num_replicas_in_sync:
        raise ValueError(f"{batch_size} images can't be shared by {strategy.num_replicas_in_sync} devices: choose a "
                         "multiple of that")

    def of_worker(context):
        local = strategy.num_replicas_in_sync // context.num_input_pipelines
        dataset = batches((context.input_pipeline_id, context.num_input_pipelines))
        if local == 1:
            return dataset

        def by_replica(x):  # [B, ...] to [replicas, B / replicas, ...]
            rest = list(range(2, x.shape.rank + 1))
            return tf.transpose(tf.reshape(x, tf.concat([[-1, local], tf.shape(x)[1:]], 0)), [1, 0, *rest])

        return dataset.flat_map(lambda *element: tf.data.Dataset.from_tensor_slices(
            tf.nest.map_structure(by_replica, element)))

    return strategy.distribute_datasets_from_function(of_worker)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when all workers have come here."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        strategy.reduce("SUM", strategy.run(lambda: tf.constant(1.0)), axis=None)
