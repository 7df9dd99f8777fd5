"""Which images a replica has, and machines and clusters of one."""

import json

import numpy as np
import pytest

from bars_tf.errors import Failure
from bars_tf.legacy_keras import tf
from bars_tf.training import distribution


@pytest.mark.parametrize("workers, local", [(1, 1), (1, 2), (2, 1), (3, 1), (2, 2), (2, 3)])
def test_replicas_know_which_of_the_first_images_they_have(workers, local):
    """As `distribute_batches` shares them: workers take turns, and in each its devices."""
    replicas = workers * local
    batch = np.arange(4 * replicas)
    shares = [batch[worker::workers].reshape(-1, local).T[device]
              for worker in range(workers) for device in range(local)]
    for count in range(len(batch) + 1):
        assert [distribution._images_of_replica(count, replica, replicas, local) for replica in range(replicas)] == [
            (share < count).sum() for share in shares]


def test_one_worker_and_one_device_need_no_strategy(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["localhost:1"]},
                                                "task": {"type": "worker", "index": 0}}))
    for name in ("multi_worker", "mirrored"):
        strategy = distribution.make_strategy(name)
        assert strategy is tf.distribute.get_strategy() and not distribution.is_distributed(strategy)


@pytest.mark.parametrize("kind, text, wanted", [
    (tf.errors.UnavailableError, "failed to connect to all addresses", Failure),
    (tf.errors.InternalError, "Collective ops is aborted by ...", Failure),
    (tf.errors.InternalError, "Failed copying input tensor", tf.errors.InternalError)])
def test_the_end_of_another_worker_is_one_line(kind, text, wanted):
    with pytest.raises(wanted) as caught, distribution.all_workers():
        raise kind(None, None, text)
    assert wanted is not Failure or "start all workers again" in str(caught.value)
