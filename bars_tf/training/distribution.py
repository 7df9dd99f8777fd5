"""Search and training on several devices and machines, under `tf.distribute`.

A step on n replicas equals the step on one device: image i of a batch goes to replica i modulo n, random numbers follow
seed and step on all replicas, and gradients and sums of batch normalization are added.
"""

from collections.abc import Callable

from bars_tf.legacy_keras import tf


def make_strategy(strategy: str) -> tf.distribute.Strategy:
    """Makes the strategy "one_device", "mirrored" or "multi_worker". A worker must call it before any computation."""
    if strategy == "mirrored":
        return tf.distribute.MirroredStrategy([d.name for d in tf.config.list_logical_devices("GPU")] or [
            d.name for d in tf.config.list_logical_devices("CPU")])
    if strategy == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def distribute_batches(strategy: tf.distribute.Strategy, batch_size: int,
                       batches: Callable[[tuple[int, int]], tf.data.Dataset]) -> tf.data.Dataset:
    """Distributes batches to the replicas, for `fit`.

    Args:
        batch_size: images per step on all replicas together.
        batches: function from a shard (i, n) to batches with every nth image from the ith on.
    Raises: ValueError: the batch can't be distributed evenly.
    """
    if strategy.num_replicas_in_sync == 1:
        return batches((0, 1))
    if batch_size % strategy.num_replicas_in_sync:
        raise ValueError(f"{batch_size} images can't be shared by {strategy.num_replicas_in_sync} devices: choose a "
                         "multiple of that")

    def worker_batches(context):
        local = strategy.num_replicas_in_sync // context.num_input_pipelines
        dataset = batches((context.input_pipeline_id, context.num_input_pipelines))
        if local == 1:
            return dataset

        def by_replica(x):  # [B, ...] to [replicas, B / replicas, ...]
            rest = list(range(2, x.shape.rank + 1))
            return tf.transpose(tf.reshape(x, tf.concat([[-1, local], tf.shape(x)[1:]], 0)), [1, 0, *rest])

        return dataset.flat_map(lambda *element: tf.data.Dataset.from_tensor_slices(
            tf.nest.map_structure(by_replica, element)))

    return strategy.distribute_datasets_from_function(worker_batches)


def is_distributed(strategy: tf.distribute.Strategy) -> bool:
    """Whether there are several devices or processes."""
    return strategy.num_replicas_in_sync > 1 or isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def barrier(strategy: tf.distribute.Strategy) -> None:
    """Returns when all processes have called it."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        tf.function(lambda: strategy.run(_reduce_one), autograph=False)()


@tf.autograph.experimental.do_not_convert
def _reduce_one():
    return tf.distribute.get_replica_context().all_reduce("SUM", tf.constant(1.0))
