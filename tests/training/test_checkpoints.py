"""Checkpoints: damaged ones, other networks, full disks, signals and directories with any name."""

import contextlib
import os
import resource
import signal

import numpy as np
import pytest

from bars_tf import config
from bars_tf.config import STOP_SIGNALS
from bars_tf.errors import InputError
from bars_tf.legacy_keras import tf
from bars_tf.training.checkpoints import Checkpoints


@contextlib.contextmanager
def saving(directory):
    saved = Checkpoints(str(directory), 1, 1.0)
    with saved.saving_at_signals():
        yield saved


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_after_the_last_save_ends_the_program(number, tmp_path):
    with pytest.raises(KeyboardInterrupt, match="saved"), saving(tmp_path):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("first, second, at_once", [
    ("SIGINT", "SIGINT", True), ("SIGTERM", "SIGTERM", True), ("SIGHUP", "SIGTERM", True), ("SIGHUP", "SIGHUP", False),
    ("SIGTERM", "SIGHUP", False), ("SIGXCPU", "SIGXCPU", False), ("SIGINT", "SIGQUIT", True)])
def test_a_second_signal_ends_the_program_at_once_if_a_user_sent_it(first, second, at_once, tmp_path, monkeypatch):
    monkeypatch.setattr(config, "FORWARDED", 0.0)
    reached = False
    with pytest.raises(KeyboardInterrupt), saving(tmp_path):
        os.kill(os.getpid(), getattr(signal, first))
        os.kill(os.getpid(), getattr(signal, second))
        reached = True
    assert reached != at_once


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_forwarded_saves_all_the_same(number, tmp_path):
    """The terminal sends it, and what started the program as well (asyncio-run-in-process#15)."""
    with pytest.raises(KeyboardInterrupt, match="saved"), saving(tmp_path):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_signals_that_the_process_was_started_to_ignore_stay_ignored(number, tmp_path):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with saving(tmp_path) as signals:
            os.kill(os.getpid(), number)
        assert not signals.requested and signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def checkpoints(directory, kernel=3):
    layer = tf.keras.layers.Dense(kernel)
    model = tf.keras.Sequential([tf.keras.layers.Input((2,)), layer])
    result = Checkpoints(str(directory), 1, 10, model=model)
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


def test_files_of_an_interrupted_save_are_removed(tmp_path):
    checkpoints(tmp_path)[0].on_epoch_end(0)
    before = contents(tmp_path)
    left = ["ckpt-2.data-00000-of-00001.tempstate123", "ckpt-2.index", "checkpoint.tmp0123456789abcdef"]
    for name in left:
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "ckpt-2_temp").mkdir()
    assert checkpoints(tmp_path)[0].restore() == (1, 0)
    assert contents(tmp_path) == before and not (tmp_path / "ckpt-2_temp").exists()


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


def contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*")
            if path.is_file() and path.name not in ("config.flags", "lock")}


def test_a_checkpoint_that_cannot_be_saved_names_the_reason(tmp_path):
    saved, _ = checkpoints(tmp_path / "checkpoints")
    saved.on_epoch_end(0)
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="the checkpoint can't be saved, earlier ones remain: .*File too large"):
            saved.on_epoch_end(1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == before
    assert checkpoints(tmp_path / "checkpoints")[0].restore() == (1, 0)


@pytest.mark.parametrize("name", ["k[1]", "a*b", "what?", "{x}", "back\\slash", "\u5199\u771f\u3000 x", "100%"])
def test_a_directory_of_any_name_is_resumed(name, tmp_path):
    def opened(value):
        model = tf.keras.Sequential([tf.keras.layers.Dense(1, kernel_initializer=tf.constant_initializer(value))])
        model.build((None, 1))
        saved = Checkpoints(str(tmp_path / name), steps=5, save_minutes=10, model=model)
        saved.set_model(model)
        return model, saved, saved.restore()

    _, saved, first = opened(3.0)
    assert first == (0, 0)
    for epoch in range(4):  # the oldest go
        saved.on_epoch_end(epoch)
    model, _, first = opened(0.0)
    assert first == (4, 0) and model.weights[0].numpy().item() == 3.0
    assert len(list((tmp_path / name).glob("ckpt-*.index"))) == 2
