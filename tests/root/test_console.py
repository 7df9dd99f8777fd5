"""Messages on terminals of every kind, in files, and where the standard streams are closed."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time

import pytest
from helpers import ROOT

from bars_tf import console, log_filter

SHOW = ("from bars_tf import console; console.rewrite('x' * 300); console.rewrite('short'); console.say('a line'); "
        "console.close(); console.say('the end')")


def on_terminal(code, columns, **environment):
    """What a process writes to a terminal of a width."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=secondary, check=True,
                   env={**os.environ, "TERM": "xterm", **environment})
    os.close(secondary)
    written = b""
    try:
        while chunk := os.read(primary, 4096):
            written += chunk
    except OSError:  # the end, on Linux
        pass
    os.close(primary)
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns, width", [(0, 79), (100, 99), (5, 19)])
def test_a_line_is_rewritten_within_the_width_of_the_terminal(columns, width):
    """Cut by one, because a line that wraps cannot be rewritten; 0 columns are an unknown number."""
    assert on_terminal(SHOW, columns) == f"\r\033[K{'x' * width}\r\033[Kshort\na line\nthe end\n"


@pytest.mark.parametrize("kind", ["dumb", "unknown", ""])
def test_a_dumb_terminal_gets_lines(kind):
    assert on_terminal(SHOW, 100, TERM=kind) == f"{'x' * 300}\nshort\na line\nthe end\n"


def test_a_file_gets_lines():
    done = subprocess.run([sys.executable, "-c", SHOW], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == f"{'x' * 300}\nshort\na line\nthe end\n" and not done.stdout


def test_closed_stderr(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    console.rewrite("x")
    console.say("x")
    console.close()


class _Logger:
    """What notebooks and trackers put in the place of stderr: it can be written to, and no more (keras#8395)."""

    def write(self, text):
        pass


def _closed():
    file = open(os.devnull, "w")  # noqa: SIM115 - closed at once
    file.close()
    return file


@pytest.mark.parametrize("make", [_Logger, _closed])
def test_odd_objects_in_the_place_of_stderr(make, monkeypatch):
    monkeypatch.setattr(sys, "stderr", make())
    assert not console.is_terminal()
    with log_filter.held_back():
        console.rewrite("x")
        console.say("x")
        console.close()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_all_is_written_where_writing_does_not_wait(stream):
    """As in pipes of Node.js, where what does not fit in at once is lost (rich#2492)."""
    code = ("import sys; from bars_tf import console; console.prepare_streams(); print('y' * 300_000); "
            "[console.say('x' * 99) for _ in range(3000)]; print('end', file=sys.stderr)")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writing}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **streams)
    os.close(writing)
    time.sleep(0.5)
    with open(reading, encoding="ascii") as file:
        text = file.read()
    assert process.wait() == 0
    assert len(text) == 300_001 if stream == "stdout" else (text.count("x"), text[-4:]) == (297_000, "end\n")


@pytest.mark.parametrize("seconds, text", [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations(seconds, text):
    assert console.duration(seconds) == text


@pytest.mark.parametrize("stream", ["2>/dev/full", "2>&1 >&3 | true"])
def test_messages_that_nobody_can_read_end_no_program(stream):
    """A full disk, or a reader that has gone."""
    code = f"import time; time.sleep(0.5); {SHOW}; import sys; print('result'); sys.exit(3)"
    script = f'"$0" -c "$1" {stream}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", f"{{ {script}; }} 3>&1", sys.executable, code], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "result\n", "")


def test_letters_that_an_encoding_lacks_are_escapes():
    code = "from bars_tf import console; console.prepare_streams(); print('\u00e4'); console.say('\u00e4')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.stdout, done.stderr) == ("\\xe4\n", "\\xe4\n")


@pytest.mark.parametrize("reader, status", [("| head -1", 0), ("| true", 0), (">/dev/full", 1)])
def test_the_reader_of_the_result_may_go(reader, status):
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    command = f"bin/summary --genotype=configs/genotypes/quickstart_seed0.json {reader}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": path})
    assert done.returncode == status
    assert done.stderr == ("summary: No space left on device\n" if status else "")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_programs_run_with_closed_streams(closed):
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    command = f"bin/summary --genotype=configs/genotypes/quickstart_seed0.json {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": path})
    assert done.returncode == 0 and ("OPs" in done.stdout) == (closed == "2>&-") and not done.stderr
