"""Search and training on several devices and machines, under `tf.distribute`.

A step on n replicas equals the step on one device: image i of a batch goes to replica i modulo n, random numbers follow
seed and step on all replicas, and gradients and sums of batch normalization are added.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator

from bars_tf import console
from bars_tf.config import stop_signals
from bars_tf.errors import Failure, FieldError, InputError, one_line
from bars_tf.legacy_keras import tf


def make_strategy(strategy: str) -> tf.distribute.Strategy:
    """Makes the strategy "one_device", "mirrored" or "multi_worker". A worker must call it before any computation.

    One worker alone is one machine, and one device needs no strategy: both then save and stop as such.

    Raises: InputError if the workers can't connect.
    """
    if strategy == "multi_worker":
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        cluster = resolver.cluster_spec()
        address = cluster.task_address(resolver.task_type, resolver.task_id)
        if (workers := sum(map(cluster.num_tasks, cluster.jobs))) > 1:
            console.say(f"multi_worker  {address} waits until all {workers} workers of TF_CONFIG have started")
            try:
                # TensorFlow waits where Python hears no signal: there they end the process by themselves.
                with stop_signals(signal.SIG_DFL):
                    return tf.distribute.MultiWorkerMirroredStrategy()
            except (tf.errors.OpError, RuntimeError) as error:
                raise InputError.of("strategy", strategy, "the workers of TF_CONFIG can't meet, this one at "
                                    f"{address}: {one_line(error)}") from None
    if strategy != "one_device":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        if len(devices) > 1:
            return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def check_strategy(strategy: tf.distribute.Strategy) -> None:
    """Raises FieldError for a strategy under which replicas do not hold and change the same variables together."""
    kinds = tf.distribute.experimental.CentralStorageStrategy, tf.distribute.ParameterServerStrategy
    if isinstance(strategy, kinds):
        raise FieldError("strategy", type(strategy).__name__, "keeps variables in one place; use MirroredStrategy or "
                         "MultiWorkerMirroredStrategy")


@contextlib.contextmanager
def all_workers() -> Iterator[None]:
    """A context of what workers do together. TensorFlow says the end of another one in half a minute, by pages.

    Raises: Failure if another worker has ended.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError,
            tf.errors.CancelledError, tf.errors.InternalError) as error:
        if not isinstance(error, tf.errors.InternalError) or "ollective" in str(error):
            raise Failure("another worker of TF_CONFIG has ended or cannot be reached; start all workers again, and "
                          "they resume after the last epoch that was saved") from None
        raise


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


def replicas() -> int:
    """Returns the number of replicas that take the step which is being traced."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def images_here(count: tf.Tensor) -> tf.Tensor:
    """Returns how many of the first `count` images of a batch that `distribute_batches` made this replica has."""
    if replicas() == 1:
        return count
    context = tf.distribute.get_replica_context()
    return _images_of_replica(count, context.replica_id_in_sync_group, replicas(),
                              len(context.strategy.extended.worker_devices))


def _images_of_replica(count, replica, replicas, local):
    """The same for a replica, of which each worker has `local`: the workers take turns, and in each its replicas."""
    first = replica // local + replica % local * (replicas // local)  # the first image of the batch that it has
    return (count - first + replicas - 1) // replicas


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
