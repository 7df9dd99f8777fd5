"""The progress line, on a terminal and without one."""

import io

import pytest

from bars_tf import console
from bars_tf.training import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def seconds(monkeypatch):
    """A clock that the test sets."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    return clock


def train(clock, shown, epochs=2, steps=4, step_seconds=3.0):
    for epoch in range(epochs):
        shown.on_epoch_begin(epoch)
        for step in range(steps):
            clock[0] += step_seconds
            shown.on_train_batch_end(step, {"loss": 1234.5, "val_accuracy": 0.5, "other": 1})
        shown.on_epoch_end(epoch, {"loss": 0.25})


def test_without_a_terminal_a_line_an_interval(seconds, monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    train(seconds, progress.Progress("train", 2, 4, ("loss", "val_accuracy")))
    assert console.sys.stderr.getvalue().splitlines() == [
        "train  epoch 1/2  step 1/4  estimating the time left  loss 1.23e+03  val accuracy 0.500",
        "train  epoch 1/2  step 4/4  done, 12 s left  loss 0.250",
        "train  epoch 2/2  step 1/4  9 s left  loss 1.23e+03  val accuracy 0.500",
        "train  epoch 2/2  step 4/4  done  loss 0.250"]


def test_on_a_terminal_one_line_is_rewritten(seconds, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    train(seconds, progress.Progress("train", 2, 4, ("loss",), estimate=lambda step: f"{8 * step:.0f} s in all"))
    lines = console.sys.stderr.getvalue().split("\n")
    assert len(lines) == 4 and lines[1] == "24 s in all" and lines[3] == ""
    assert lines[0].count("\r\033[K") == 4 and lines[0].endswith("step 4/4  12 s left  loss 1.23e+03")
    assert lines[2].count("\r\033[K") == 5 and lines[2].endswith("step 4/4  done  loss 0.250")


def test_a_resumed_run_counts_from_where_it_begins(seconds, monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    shown = progress.Progress("train", 2, 4, (), first=(1, 2))
    shown.on_epoch_begin(1)
    for step in range(2):
        shown.on_train_batch_end(step)
    shown.on_epoch_end(1)
    assert "epoch 2/2  step 3/4" in console.sys.stderr.getvalue()
    assert console.sys.stderr.getvalue().splitlines()[-1].startswith("train  epoch 2/2  step 4/4  done")
