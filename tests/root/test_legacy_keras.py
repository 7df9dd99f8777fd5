import os
import platform
import subprocess
import sys

import pytest
from helpers import ROOT

from bars_tf.legacy_keras import ABOVE, LOWEST, tf


def test_bounds_are_those_of_the_requirements():
    assert "    tensorflow>={}.{},<{}.{}\n".format(*LOWEST, *ABOVE) in (ROOT / "setup.cfg").read_text()


def test_legacy_keras(tmp_path):
    """Whatever the user's file says about the order of axes."""
    file = tmp_path / "keras.json"
    file.write_text('{"image_data_format": "channels_first"}')
    assert tf.keras.layers.Layer.__module__.startswith("tf_keras.")
    code = ("import os; {}; from bars_tf.legacy_keras import lq, tf; print("
            "tf.keras.Model.__module__, tf.keras.backend.image_data_format(), tf.keras.backend.floatx(), "
            "os.environ['KERAS_HOME'])")
    environ = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    environ["KERAS_HOME"] = str(tmp_path)

    def use_before(what):
        return subprocess.run([sys.executable, "-c", code.format(what)], cwd=ROOT, env=environ, capture_output=True,
                              text=True, check=False)

    late = use_before("import tensorflow as tf; tf.keras.layers")
    assert late.returncode == 1
    assert late.stderr.splitlines()[-1].startswith("ImportError: bars_tf needs Keras 2, but this process already uses")
    module, *settings = use_before("import tensorflow as tf; tf.zeros(())").stdout.split()
    assert module.startswith("tf_keras.") and settings == ["channels_last", "float32", str(tmp_path)]
    file.write_text('{"backend": "torch", "floatx": "bfloat16", "image_data_format": "channels_first"}')  # of Keras 3
    module, *settings = use_before("pass").stdout.split()
    assert module.startswith("tf_keras.") and settings == ["channels_last", "float32", str(tmp_path)]


def test_without_docstrings():
    done = subprocess.run([sys.executable, "-OO", "-c", "import bars_tf.legacy_keras"], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("ImportError: TensorFlow needs docstrings, which python -OO")


def test_without_a_directory_for_temporary_files():
    """As in a container whose root is read-only (tensorflow#44727)."""
    code = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/nowhere']; import bars_tf.legacy_keras"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == ("ImportError: TensorFlow needs a directory for temporary files, set TMPDIR "
                                            "to one: No usable temporary directory found in ['/nowhere']")


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="of other processors")
@pytest.mark.parametrize("wanted", ["", "0"])
def test_onednn_unless_it_is_turned_off(wanted):
    code = ("from bars_tf.legacy_keras import tf; from tensorflow.python.util import _pywrap_util_port as port; "
            "print(port.IsMklEnabled())")
    environ = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
                            env=environ | ({"TF_ENABLE_ONEDNN_OPTS": wanted} if wanted else {}))
    assert result.stdout.split() == [str(wanted != "0")]
