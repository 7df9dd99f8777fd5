"""The process of programs/test_devices.py that uses a supernet as Keras's users do, on two devices."""

import sys
from pathlib import Path

import numpy as np

from bars_tf.errors import FieldError
from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.presets import BARS_PAPER

SPACE = BARS_PAPER.replace(init_channels=4, layout="N", num_nodes=1, width_choices=(0.5, 1.0))
SHAPE, CLASSES = (8, 8, 1), 3
IMAGES, LABELS = np.random.default_rng(0).normal(size=(16, *SHAPE)).astype(np.float32), np.arange(16) % CLASSES


def made(strategy):
    with strategy.scope():
        supernet = Supernet(SPACE, SHAPE, CLASSES)
        supernet.compile()
    return supernet


def pairs(count=16):
    data = tf.data.Dataset.from_tensor_slices((IMAGES[:count], LABELS[:count])).batch(8)
    return tf.data.Dataset.zip((data, data))


def fits(supernet, *data, **options):
    return np.isfinite(supernet.fit(*data, verbose=0, **options).history["arch_loss"]).all()


def refused(words, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except FieldError as error:
        assert words in str(error) and "\n" not in str(error), error
    else:
        raise AssertionError(f"not refused: {words}")


if __name__ == "__main__":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    supernet, one, file = made(strategy), made(tf.distribute.get_strategy()), Path(sys.argv[1]) / "s.keras"
    assert fits(supernet, pairs()) and fits(supernet, IMAGES, LABELS, batch_size=4)
    # The last image is one, and a device has none (tensorflow#41657: a loss of NaN, or pages).
    one.set_weights(supernet.get_weights())
    found, wanted = (s.evaluate(IMAGES[:9], LABELS[:9], 8, verbose=0) for s in (supernet, one))
    assert np.allclose(found, wanted, atol=1e-5), (found, wanted)
    assert np.allclose(*(s.predict(IMAGES[:9], 8, verbose=0) for s in (supernet, one)), atol=1e-5)
    refused("batch=1: must be a multiple of the 2 devices", supernet.fit, pairs(9), verbose=0)
    refused("batch=7: must be a multiple of the 2 devices", supernet.train_on_batch, *[(IMAGES[:7], LABELS[:7])] * 2)
    refused("batch_size=3: must be a multiple of the 2 devices", supernet.fit, IMAGES, LABELS, batch_size=3)
    supernet.save(file)
    with strategy.scope():
        loaded = tf.keras.models.load_model(file)
    assert np.array_equal(*(s.predict(IMAGES, verbose=0) for s in (supernet, loaded))) and fits(loaded, pairs())
    refused("strategy='CentralStorageStrategy'", made, tf.distribute.experimental.CentralStorageStrategy())
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    assert fits(made(strategy), pairs())
