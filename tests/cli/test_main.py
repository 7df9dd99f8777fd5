import io

from bars_tf import console
from bars_tf.cli import main


def test_an_error_gets_a_line_below_the_progress(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    console.rewrite("step 1/2")
    main._fail("search", ValueError(), "wrong", 2, False)
    assert console.sys.stderr.getvalue() == "\r\033[Kstep 1/2\nsearch: wrong\n"
