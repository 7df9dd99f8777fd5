"""Programs where a machine is odd: no home, an old locale, closed streams, paths of other scripts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT, TINY, read_only

WITHOUT = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONUTF8", "MPLCONFIGDIR", "XDG_CACHE_HOME", "PYTHONIOENCODING")
CLOSED = ["sh", "-c", 'exec "$0" "$@" 2>&- <&-']


def start(cwd, name, *arguments, wrapper=(), **environment):
    environ = {key: value for key, value in os.environ.items() if key not in WITHOUT}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    return subprocess.run([*wrapper, ROOT / "bin" / name, *arguments], cwd=cwd, env=environ | environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", check=False)


def test_the_whole_way_in_odd_surroundings(tmp_path):
    """All at once: what one of them breaks, this finds."""
    place = tmp_path / "Läufe von 東京"
    place.mkdir()
    odd = {"HOME": "/dev/null", "LC_ALL": "C"}
    done = start(place, "search", *TINY, "--workdir=der Läuf 1", wrapper=CLOSED, **odd)
    run = place / "der Läuf 1"
    assert done.returncode == 0 and (run / "report.html").exists(), done.stdout
    done = start(place, "evaluate", f"--model={run / 'model.h5'}", "--max_steps=2", LC_ALL="POSIX")  # without HOME
    assert done.returncode == 0 and "test accuracy" in done.stdout, done.stderr
    done = start(place, "export", f"--workdir={run}", "--name=net", "--output=Nètz", "--allow_float_fallback", **odd)
    assert done.returncode == 0 and (place / "Nètz" / "net.py").exists(), done.stderr
    assert "MPLCONFIGDIR" not in done.stderr and "Permission" not in done.stderr


def test_old_encodings(tmp_path):
    """A locale that cannot write what is printed, as PYTHONIOENCODING=ascii makes one, costs letters alone."""
    (tmp_path / "läuf").mkdir()
    genotype = ROOT / "configs" / "genotypes" / "quickstart_seed0.json"
    (tmp_path / "läuf" / "genotype.json").write_bytes(genotype.read_bytes())
    for odd in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        done = start(tmp_path, "summary", "--genotype=läuf/genotype.json", **odd)
        assert done.returncode == 0 and "peak activation bytes" in done.stdout, done.stderr
        done = start(tmp_path, "summary", "--genotype=läuf/none.json", **odd)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.slow
def test_code_that_cannot_be_written():
    done = start(ROOT, "bench", "--help", wrapper=read_only(ROOT))
    assert done.returncode == 0 and "--rounds" in done.stdout and done.stderr == ""
