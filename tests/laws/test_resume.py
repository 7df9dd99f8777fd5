"""The resume law: a run that is killed and started again equals an uninterrupted one, bit by bit."""

import csv
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from helpers import ROOT
from killed_runs import assert_equal, killed_run, saved, start, state

from bars_tf.data import pipeline
from bars_tf.data.image_data import load
from bars_tf.legacy_keras import tf
from bars_tf.search import phases
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.presets import BARS_PAPER
from bars_tf.training import callbacks, checkpoints, schedules

# Everything that has a state, as small as can be: dropout, saving after every step.
SMALL = ("--flagfile=quickstart.flags", "--init_channels=2", "--stem_channels=2", "--num_nodes=1", "--layout=NR",
         "--width_choices=1", "--primitives=none,bin_conv_3x3", "--budget_ops=100k", "--max_steps=10",
         "--search_epochs=4", "--warmup_epochs=1", "--train_epochs=4", "--num_candidates=3", "--dropout=0.2",
         "--num_finalists=2", "--finalist_epochs=1", "--eval_batch_size=100",
         "--arch_lr=0.01",  # no decision is made, so that there are several candidates
         "--save_minutes=0.0001", "--deterministic")

SPACE = BARS_PAPER.replace(stem="cifar_2", layout="R", num_nodes=1, init_channels=2, width_choices=(1.0,))

EPOCHS, STEPS = 2, 3


def test_killed_three_times(tmp_path):
    whole = start(tmp_path / "whole", *SMALL)
    # The one that it must equal is stopped for a while, as by Ctrl-Z, which asks for a terminal.
    subprocess.Popen(["sh", "-c", f"sleep 25; kill -STOP {whole.pid} && sleep 2 && kill -CONT {whole.pid}"],
                     stderr=subprocess.DEVNULL)
    assert killed_run(tmp_path / "killed", 3, 4, SMALL) == 3
    errors = whole.stderr.read()
    assert whole.wait() == 0, errors
    assert_equal(state(tmp_path / "killed"), state(tmp_path / "whole"))
    logs = [list(csv.DictReader((tmp_path / run / stage / "log.csv").open()))
            for stage in ("search", "train") for run in ("killed", "whole")]
    for log, other in zip(logs[::2], logs[1::2]):
        assert [row["epoch"] for row in log] == ["1", "2", "3", "4"]
        for row, same in zip(log, other):
            assert [k for k, v in row.items() if not v] == [k for k, v in same.items() if not v]
            np.testing.assert_allclose([float(v or 0) for v in row.values()], [float(v or 0) for v in same.values()],
                                       rtol=2e-5)
    assert len(list(tmp_path.glob("*/finals/*/log.csv"))) == 2  # of the loser, in either run
    done = subprocess.run(
        [ROOT / "bin" / "train", f"--flagfile={tmp_path}/whole/config.flags", "--deterministic",
         f"--genotype={tmp_path}/whole/genotype.json", f"--workdir={tmp_path}/alone"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whole, alone = (saved(tmp_path / run) for run in ("whole", "alone"))
    assert whole.keys() == alone.keys()
    assert not [key for key in whole if not np.array_equal(whole[key], alone[key])]  # begun in the finals
    assert not list(tmp_path.rglob("*tmp*"))


@pytest.mark.long
def test_quickstart_killed(tmp_path):
    """`BARS_KILLS=50 BARS_SEED=1 bin/test --long -s -k quickstart_killed` is the longer form."""
    flags = ("--flagfile=quickstart.flags", "--deterministic", "--save_minutes=0.1")
    kills = int(os.environ.get("BARS_KILLS", 10))
    whole = start(tmp_path / "whole", *flags)
    began = time.monotonic()
    errors = whole.stderr.read()
    assert whole.wait() == 0, errors
    seconds = time.monotonic() - began
    done = killed_run(tmp_path / "killed", kills, 2 * seconds / kills, flags)
    print(f"{done} kills")
    assert_equal(state(tmp_path / "killed"), state(tmp_path / "whole"))


@pytest.fixture(scope="module")
def parts():
    train, _ = load("fashion_mnist_small")
    return train.split(0, (0.5, 0.5))


def searched(parts, directory, stop_after=None):
    """A supernet and its checkpoints after a search, which is asked to stop after so many steps."""
    tf.keras.utils.set_random_seed(0)
    supernet = Supernet(SPACE, parts[0].image_shape, parts[0].num_classes)
    supernet.compile(tf.keras.optimizers.legacy.Adam(1e-2), tf.keras.optimizers.legacy.Adam(1e-1))
    saved = checkpoints.Checkpoints(str(directory / "checkpoints"), STEPS, 10, model=supernet)
    first = saved.restore()

    class Terminate(tf.keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == stop_after:
                os.kill(os.getpid(), signal.SIGTERM)

    def batches(position):
        return pipeline.bilevel(parts, 16, start_epoch=position.epoch, start_step=position.step, steps=STEPS)

    checkpoints.fit(supernet, batches, EPOCHS, saved, [
        phases.Phases(EPOCHS, 1, schedules.linear(1, 0.5), schedules.linear(0, 1)),
        callbacks.CSVLogger(str(directory / "log.csv")), Terminate()])
    return supernet, first


def test_a_signal_saves_in_the_middle_of_an_epoch(parts, tmp_path):
    whole, _ = searched(parts, tmp_path / "whole")
    (tmp_path / "whole" / "log.csv").rename(tmp_path / "log.csv")
    with pytest.raises(KeyboardInterrupt, match="saved after step 1 of epoch 2"):
        searched(parts, tmp_path / "part", 4)
    resumed, first = searched(parts, tmp_path / "part")
    assert first == (1, 1)
    assert int(resumed.search_step) == EPOCHS * STEPS
    for a, b in zip(whole.variables + whole.weight_optimizer.variables() + whole.arch_optimizer.variables(),
                    resumed.variables + resumed.weight_optimizer.variables() + resumed.arch_optimizer.variables(),
                    strict=True):
        assert a.name == b.name
        if "Mean" not in a.name and not any(a is v for m in whole.metrics for v in m.variables):
            np.testing.assert_array_equal(a, b, err_msg=a.name)
    logs = [list(csv.DictReader(path.open())) for path in (tmp_path / "log.csv", tmp_path / "part" / "log.csv")]
    for row, same in zip(*logs, strict=True):
        np.testing.assert_allclose([float(v or 0) for v in row.values()], [float(v or 0) for v in same.values()],
                                   rtol=2e-5)
