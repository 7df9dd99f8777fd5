"""No step leaks memory: a run of days needs no more than one of minutes."""

import ctypes
import gc

import pytest

from bars_tf.data import pipeline
from bars_tf.data.image_data import load
from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.presets import BARS_PAPER
from bars_tf.training.fit import loggers

ALLOWED = 2**20
SIZES = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in SIZES]


@pytest.fixture
def used():
    """A function that returns the bytes in use outside of Python's own heap."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        pytest.skip("only glibc counts them")
    library.mallinfo2.restype = MallInfo

    def count():
        gc.collect()
        return library.mallinfo2().uordblks

    return count


@pytest.mark.long
def test_the_steps_of_a_search_leak_no_memory(used, tmp_path):
    class Watch(tf.keras.callbacks.Callback):
        found = []

        def on_train_batch_end(self, batch, logs=None):
            pass

        def on_epoch_end(self, epoch, logs=None):
            self.found.append(used())

    space = BARS_PAPER.replace(stem="cifar_2", layout="R", num_nodes=1, init_channels=2, width_choices=(1.0,))
    train, _ = load("fashion_mnist_small")
    supernet = Supernet(space, train.image_shape, train.num_classes)
    supernet.compile(tf.keras.optimizers.legacy.Adam(1e-3), tf.keras.optimizers.legacy.Adam(1e-3))
    supernet.fit(pipeline.bilevel(train, 2, start_epoch=0), steps_per_epoch=300, epochs=4, verbose=0,
                 callbacks=[Watch(), *loggers(tmp_path)])
    assert Watch.found[-1] - Watch.found[1] < ALLOWED, Watch.found
    assert any((tmp_path / "tensorboard" / "train").iterdir())


def test_batches_are_not_buffered_without_a_limit(used):
    train, _ = load("fashion_mnist_small")
    batches = iter(pipeline.bilevel(train, 8, start_epoch=0))
    found = []
    for i in range(4501):
        next(batches)
        if i % 1500 == 0:
            found.append(used())
    assert found[-1] - found[1] < ALLOWED, found
