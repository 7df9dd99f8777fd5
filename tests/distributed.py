"""The process of programs/test_devices.py: `python distributed.py DEVICES STRATEGY DIRECTORY FLAGS...`.

Runs `bin/search` with this number of devices; with --batches=B,C,... takes 20 steps in float64 with each of these
batches and saves the values.
"""

import sys
from pathlib import Path

import numpy as np

from bars_tf.cli import main
from bars_tf.data import pipeline
from bars_tf.data.image_data import load
from bars_tf.legacy_keras import tf
from bars_tf.search import phases
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.presets import BARS_PAPER
from bars_tf.training import checkpoints, distribution, schedules

STEPS, EPOCHS = 10, 2
SPACE = BARS_PAPER.replace(stem="cifar_2", layout="R", num_nodes=1, init_channels=4, width_choices=(0.5, 1.0))


class Draws(tf.keras.callbacks.Callback):
    """The choices that every replica has drawn for each step."""

    def __init__(self):
        super().__init__()
        self.drawn = []

    def on_train_begin(self, logs=None):
        strategy = tf.distribute.get_strategy()
        draw = tf.function(lambda: strategy.run(lambda: self.model.draw("weights").choices), autograph=False)
        self.draw = lambda: [strategy.experimental_local_results(c) for c in draw()]

    def on_train_batch_begin(self, batch, logs=None):
        self.drawn.append([[np.ravel(c) for c in by_replica] for by_replica in self.draw()])

    def on_epoch_end(self, epoch, logs=None):
        self.shown = [logs[name] for name in sorted(logs)]


def steps(strategy, batch_size, directory):
    tf.keras.utils.set_random_seed(0)
    parts = load("fashion_mnist_small")[0].split(0, (0.5, 0.5))
    with strategy.scope():
        supernet = Supernet(SPACE, parts[0].image_shape, 10)
        supernet.compile(tf.keras.optimizers.legacy.Adam(1e-2, global_clipnorm=1.0),
                         tf.keras.optimizers.legacy.Adam(1e-2))
        saved = checkpoints.Checkpoints(str(directory / f"checkpoints_{batch_size}"), STEPS, 10, model=supernet)
    draws = Draws()
    checkpoints.fit(supernet, lambda p: distribution.distribute_batches(
        strategy, batch_size, lambda shard: pipeline.bilevel(
            parts, batch_size, start_epoch=p.epoch, start_step=p.step, steps=STEPS, shard=shard)), EPOCHS, saved,
        [phases.Phases(EPOCHS, 1, schedules.linear(1, 0.5), schedules.linear(0, 1)), draws])
    for each in draws.drawn:
        for by_replica in each:
            assert all(np.array_equal(by_replica[0], other) for other in by_replica)
    metrics = {id(v) for metric in supernet.metrics for v in metric.variables}
    values = [v.numpy() for v in supernet.variables if id(v) not in metrics]
    drawn = [np.concatenate([by_replica[0] for by_replica in each]) for each in draws.drawn]
    tested = supernet.evaluate(pipeline.batches(parts[1], 32).take(4), verbose=0)
    np.savez(directory / f"{batch_size}.npz", *map(np.asarray, values), drawn=np.array(drawn), shown=draws.shown,
             tested=tested, replicas=strategy.num_replicas_in_sync)


if __name__ == "__main__":
    devices, name, where, *flags = sys.argv[1:]
    if int(devices) > 1:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * int(devices))
    if not flags[0].startswith("--batches="):
        sys.argv = ["search", *flags, f"--strategy={name}", f"--workdir={where}"]
        sys.exit(main.search())
    Path(where).mkdir(parents=True)
    tf.keras.backend.set_floatx("float64")
    shared = distribution.make_strategy(name)
    for size in flags[0].partition("=")[2].split(","):
        steps(shared, int(size), Path(where))
    if name == "one_device":  # in a strategy, as only programs of the user's have it
        (Path(where) / "strategy").mkdir()
        steps(tf.distribute.MirroredStrategy(["CPU:0"]), int(size), Path(where) / "strategy")
