"""A run that is killed and started again is the run that was never stopped."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from bars_tf.data import pipeline as data
from bars_tf.errors import InputError
from bars_tf.legacy_keras import tf
from bars_tf.search import phases
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.presets import BARS_PAPER
from bars_tf.training import checkpoints as resume
from bars_tf.training import schedules

# Everything that has a state, as small as can be: dropout, saving after every step.
SMALL = ("--flagfile=quickstart.flags", "--init_channels=2", "--stem_channels=2", "--num_nodes=1", "--layout=NR",
         "--width_choices=1", "--primitives=none,bin_conv_3x3", "--budget_ops=100k", "--max_steps=10",
         "--search_epochs=4", "--warmup_epochs=1", "--train_epochs=4", "--num_candidates=3", "--dropout=0.2",
         "--num_finalists=2", "--finalist_epochs=1", "--eval_batch_size=100",
         "--save_minutes=0.0001", "--deterministic")
SPACE = BARS_PAPER.replace(stem="cifar_2", layout="R", num_nodes=1, init_channels=2, width_choices=(1.0,))
EPOCHS, STEPS = 2, 3


def start(directory, *flags):
    from helpers import ROOT

    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen([ROOT / "bin" / "search", *flags, f"--workdir={directory}"], text=True,
                            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path})


def kill_after(process, delay):
    """SIGKILL at `delay` seconds after the first line of progress; whether it came before the end."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "  epoch " in line:
            break
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.kill()
    process.stderr.read()
    assert process.wait() in (0, -signal.SIGKILL), lines
    return process.returncode != 0


def saved(directory):
    """The weights of a run's models."""
    weights = {}
    for name in ("model.h5", "train/best_model.h5"):
        with h5py.File(directory / name) as file:
            file.visititems(lambda key, item, name=name: weights.update({f"{name}:{key}": np.array(item)})
                            if isinstance(item, h5py.Dataset) else None)
    return weights


def state(directory):
    """Everything that a run ends in, but for times."""
    weights = saved(directory)
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(directory / "search" / "checkpoints")))
    for key in reader.get_variable_to_shape_map():
        if not key.startswith(("place/", "save_counter/", "_CHECKPOINTABLE")) and "_metrics" not in key:  # with times
            weights[f"search:{key}"] = np.array(reader.get_tensor(key))
    return weights, (directory / "genotype.json").read_bytes()


def assert_equal(state, other):
    weights, genotype = state
    assert genotype == other[1]
    assert set(weights) == set(other[0])
    assert sum("alpha" in key or "arch_variables" in key for key in weights) >= 3
    different = [key for key, value in weights.items() if not np.array_equal(value, other[0][key])]
    assert not different


def killed_run(directory, kills, longest, flags):
    """A run killed so many times, then run to its end."""
    rng = random.Random(int(os.environ.get("BARS_SEED", 0)))
    delays = []
    while len(delays) < kills:
        delays.append(rng.uniform(0, longest))
        if not kill_after(start(directory, *flags), delays[-1]):
            break
    print("killed after", ", ".join(f"{d:.1f} s" for d in delays))
    last = start(directory, *flags)
    errors = last.stderr.read()
    assert last.wait() == 0, errors
    return len(delays)


def test_killed_three_times(tmp_path):
    whole = start(tmp_path / "whole", *SMALL)
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
        [Path(__file__).parent.parent / "bin" / "train", f"--flagfile={tmp_path}/whole/config.flags", "--deterministic",
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


# Within one process


@pytest.fixture(scope="module")
def parts():
    train, _ = data.load("fashion_mnist_small")
    return train.split(0, (0.5, 0.5))


def searched(parts, directory, stop_after=None):
    """A supernet and its checkpoints after a search, which is asked to stop after so many steps."""
    tf.keras.utils.set_random_seed(0)
    supernet = Supernet(SPACE, parts[0].image_shape, parts[0].num_classes)
    supernet.compile(tf.keras.optimizers.legacy.Adam(1e-2), tf.keras.optimizers.legacy.Adam(1e-1))
    checkpoints = resume.Checkpoints(str(directory / "checkpoints"), STEPS, 10, model=supernet)
    first = checkpoints.restore()

    class Terminate(tf.keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == stop_after:
                os.kill(os.getpid(), signal.SIGTERM)

    resume.fit(supernet, lambda p: data.bilevel(parts, 16, start_epoch=p.epoch, start_step=p.step, steps=STEPS), EPOCHS,
               checkpoints, [phases.Phases(EPOCHS, 1, schedules.linear(1, 0.5), schedules.linear(0, 1)),
                             phases.Log(str(directory / "log.csv")), Terminate()])
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


def test_a_signal_after_the_last_save_ends_the_program():
    with pytest.raises(KeyboardInterrupt), resume.Stop():
        os.kill(os.getpid(), signal.SIGTERM)


def checkpoints(directory, kernel=3):
    layer = tf.keras.layers.Dense(kernel)
    model = tf.keras.Sequential([tf.keras.layers.Input((2,)), layer])
    result = resume.Checkpoints(str(directory), 1, 10, model=model)
    result.set_model(model)
    return result, layer


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, capsys):
    saved, layer = checkpoints(tmp_path)
    for epoch in range(2):
        layer.kernel.assign(tf.fill((2, 3), float(epoch)))
        saved.on_epoch_end(epoch)
    newest = tmp_path / "ckpt-2.data-00000-of-00001"
    content = newest.read_bytes()
    for damage in (bytes(len(content)), content[:-1], b""):
        newest.write_bytes(damage)
        again, layer = checkpoints(tmp_path)
        assert again.restore() == (1, 0)
        assert "ckpt-2 is damaged" in capsys.readouterr().err
        assert np.array_equal(layer.kernel, np.zeros((2, 3)))
    # The list of checkpoints is damaged, then the older one as well.
    for content in (b"", b"\x80\xff", b"model: 1"):
        (tmp_path / "checkpoint").write_bytes(content)
        assert checkpoints(tmp_path)[0].restore() == (1, 0)
    (tmp_path / "ckpt-1.index").write_bytes(b"")
    again, layer = checkpoints(tmp_path)
    before = layer.kernel.numpy()
    with pytest.raises(InputError, match="none of its checkpoints can be read"):
        again.restore()
    assert np.array_equal(layer.kernel, before)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    saved, _ = checkpoints(tmp_path)
    saved.on_epoch_end(0)
    with pytest.raises(InputError, match="of another network"):
        checkpoints(tmp_path, kernel=4)[0].restore()


def test_values_that_are_not_finite_are_not_saved(tmp_path):
    saved, layer = checkpoints(tmp_path)
    saved.on_epoch_end(0)
    layer.kernel.assign(tf.fill((2, 3), np.nan))
    with pytest.raises(FloatingPointError, match="kernel:0 is not finite after step 1 of epoch 2"):
        saved.on_epoch_end(1)
    assert checkpoints(tmp_path)[0].restore() == (1, 0)


@pytest.mark.parametrize("streamed", [False, True])
def test_batches_from_the_middle_of_an_epoch(parts, monkeypatch, streamed):
    from bars_tf.data import records

    if streamed:
        monkeypatch.setattr(records, "MEMORY_LIMIT", 0)
        tf.keras.utils.set_random_seed(0)  # as programs do
        parts = data.load("fashion_mnist_small")[0].split(0, (0.5, 0.5))
    whole = [pair[0][0].numpy() for pair in data.bilevel(parts, 64, seed=3, start_epoch=1, steps=4).take(8)]
    rest = data.bilevel(parts, 64, seed=3, start_epoch=1, start_step=3, steps=4)
    rest = [pair[0][0].numpy() for pair in rest.take(5)]
    assert all(np.array_equal(a, b) for a, b in zip(whole[3:], rest, strict=True))
    # Each epoch has its own order from its beginning, where it is ended early too.
    second = next(iter(data.bilevel(parts, 64, seed=3, start_epoch=2)))[0][0].numpy()
    assert np.array_equal(whole[4], second)
