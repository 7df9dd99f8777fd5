import subprocess
import sys

import pytest
from helpers import ROOT

import bars_tf


@pytest.mark.slow
def test_public_names():
    assert all(getattr(bars_tf, name) for name in bars_tf.__all__)
    code = "import sys, bars_tf; bars_tf.Genotype, bars_tf.derive; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
