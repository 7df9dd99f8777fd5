"""The frame of all programs: wrong flags, exit statuses, and help without TensorFlow."""

import io
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from helpers import ROOT

from bars_tf import console
from bars_tf.cli import main
from bars_tf.cli.flags import PROGRAMS
from bars_tf.config import STOP_SIGNALS
from bars_tf.errors import Failure, InputError


@pytest.fixture(autouse=True)
def settings_of_the_process(monkeypatch):
    """Restores what a program sets for its whole process."""
    monkeypatch.setenv("BARS_VERBOSITY", "0")
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    with warnings.catch_warnings():
        yield


WRONG = {
    "--batch_size=0": "--batch_size=0: must be a whole number of at least 1",
    "--batch_size": "--batch_size: needs a value",
    "--batchsize=3": "--batchsize: unknown flag; did you mean --batch_size?",
    "--model=a.h5": "--model: not a flag of search, but of evaluate",
    "quickstart": "quickstart: unexpected; flags are written --name=value",
    "--budget_ops=12Q": "--budget_ops=12Q: must be a number above 0, in full or with k, M or G",
    "--budget_ops=-1": "--budget_ops=-1: must be a number above 0",
    "--budget_ops=0": "--budget_ops=0: must be a number above 0",
    "--budget_params=12Q": "--budget_params=12Q: must be a number above 0, in full or with k, M or G",
    "--budget_params=0": "--budget_params=0: must be a number above 0",
    "--weight_lr=nan": "--weight_lr=nan: must be a number above 0",
    "--flip=perhaps": "--flip=perhaps: must be true or false",
    "--space=foo": "--space=foo: must be one of bars",
    "--sampling=foo": "--sampling=foo: must be one of softmax, gumbel, gumbel_hard",
    "--weight_optimizer=foo": "--weight_optimizer=foo: must be one of adam, sgd",
    "--primitives=none,foo": "--primitives=none,foo: 'foo' is unknown; known are none, skip",
    "--width_choices=": "--width_choices=: must be numbers",
    "--width_choices=-0.5,1": "--width_choices=-0.5,1: must lie above 0",
    "--width_choices=1,0.5": "--width_choices=1,0.5: must increase",
    "--depth_choices=": "--depth_choices=: must be whole numbers",
    "--depth_choices=-1,0": "--depth_choices=-1,0: must be integers of at least 0",
    "--depth_choices=2,1": "--depth_choices=2,1: must increase",
    "--image_size=7": "--image_size=7: must be 8 to 224",
    "--warmup_epochs=50": "--warmup_epochs=50: must be below --search_epochs=48",
    "--final_temperature=2": "--final_temperature=2: must be at most --temperature=1",
    "--flagfile=nowhere": "--flagfile=nowhere: no such file; by name there are",
}


@pytest.mark.parametrize("argument", WRONG)
def test_wrong_flags(argument, capsys):
    assert main.run("search", None, [argument]) == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"search: {WRONG[argument]}")
    assert output.err.count("\n") == 1 and output.out == ""


@pytest.mark.parametrize("error, status, message", [
    (InputError("--seed=1: no"), 2, "--seed=1: no"),
    (KeyboardInterrupt(), 130, "interrupted; the same command resumes"),
    (OSError(28, "No space left on device", "f.h5"), 1, "No space left on device: f.h5"),
    (ValueError("two\nlines"), 1, "ValueError: two lines (--verbosity=1 shows the traceback)"),
])
def test_exit_status(error, status, message, capsys):
    def program(settings):
        raise error

    assert main.run("search", program, []) == status
    assert capsys.readouterr().err == f"search: {message}\n"
    assert main.run("search", program, ["--verbosity=1"]) == status
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_signals_end_a_program_in_one_line(number, capsys):
    before = {each: signal.getsignal(each) for each in STOP_SIGNALS}
    try:
        assert main.run("evaluate", lambda settings: os.kill(os.getpid(), number), ["--model=m.h5"]) == 130
        assert capsys.readouterr().err == "evaluate: interrupted\n"
        signal.signal(number, signal.SIG_IGN)  # as nohup does
        assert main.run("evaluate", lambda settings: os.kill(os.getpid(), number), ["--model=m.h5"]) == 0
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_that_were_blocked_at_the_start(number, capsys):
    """A process inherits what the one that started it had blocked (poco#3398)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        assert main.run("evaluate", lambda settings: os.kill(os.getpid(), number), ["--model=m.h5"]) == 130
        assert capsys.readouterr().err == "evaluate: interrupted\n"
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])


def test_a_signal_that_is_forwarded_ends_a_program_in_one_line(capsys):
    def interrupted(settings):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:  # as what is cleaned up
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(True)

    done = []
    assert main.run("evaluate", interrupted, ["--model=m.h5"]) == 130
    assert capsys.readouterr().err == "evaluate: interrupted\n" and done


def test_help_is_quick_and_without_tensorflow():
    code = ("import sys; from bars_tf.cli import main; sys.argv[1:] = ['--help']; main.search(); "
            "sys.exit('tensorflow' in sys.modules)")
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert all(f"--{name} " in result.stdout for name in PROGRAMS["search"].flags)
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    seconds = []
    for _ in range(3):  # the best of three, in processor time: others may be using the machine
        before = os.times()
        subprocess.run([ROOT / "bin" / "search", "--help"], env=environ, check=True, capture_output=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert 0 < min(seconds) < 1


def test_an_error_gets_a_line_below_the_progress(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr(main, "_set_verbosity", lambda program, verbose: None)

    def fail(settings):
        console.rewrite("step 1/2")
        raise Failure("wrong")

    assert main.run("search", fail, []) == 1
    assert console.sys.stderr.getvalue() == "\r\033[Kstep 1/2\nsearch: wrong\n"
