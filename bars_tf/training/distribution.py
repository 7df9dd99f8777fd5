"""Search and training on several devices and machines, under `tf.distribute`.

A step of n replicas is the step of one device: image i of a batch goes to replica i modulo n, draws follow the seed and
the step on all of them, gradients and batch-norm sums are added up.
"""

from __future__ import annotations

from collections.abc import Callable

from bars_tf.legacy_keras import tf


def make(strategy: str) -> tf.distribute.Strategy:
    """The strategy of that name. Of several workers, each has to make it before it computes anything."""
    if strategy == "mirrored":
        return tf.distribute.MirroredStrategy([d.name for d in tf.config.list_logical_devices("GPU")] or [
            d.name for d in tf.config.list_logical_devices("CPU")])
    if strategy == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def distribute(strategy: tf.distribute.Strategy, batch_size: int,
               batches: Callable[[tuple[int, int]], tf.data.Dataset]) -> tf.data.Dataset:
    """Batches for `fit`, each shared by the replicas.

    Args:
        batch_size: of all replicas together.
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


def is_shared(strategy: tf.distribute.Strategy) -> bool:
    """Whether there is more than one device or process."""
    return strategy.num_replicas_in_sync > 1 or isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when all processes have come here."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        meet = tf.function(lambda: strategy.run(_all_here), autograph=False)
        meet()


@tf.autograph.experimental.do_not_convert
def _all_here():
    return tf.distribute.get_replica_context().all_reduce("SUM", tf.constant(1.0))
