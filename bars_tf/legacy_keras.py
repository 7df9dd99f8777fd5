"""TensorFlow with Keras 2 (tf_keras), which Larq is written for: `from bars_tf.legacy_keras import lq, tf`.

The package's `__init__` has set TF_USE_LEGACY_KERAS by then. BARS_VERBOSITY=1 in the environment, or `--verbosity=1` of
a program, lets TensorFlow's messages through.
"""

import contextlib
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from bars_tf.errors import FieldError
from bars_tf.log_filter import held_back

LOWEST, ABOVE = (2, 16), (2, 22)  # versions of TensorFlow, as in setup.cfg


def import_tensorflow(verbose: bool = False) -> tuple[ModuleType, ModuleType]:
    """Imports TensorFlow, with its log messages if `verbose`, and Larq, and checks that they fit together.

    Returns: the modules `tensorflow` and `larq`.
    Raises: ImportError that names the problem and the remedy in one line.
    """
    if sys.flags.optimize > 1:
        raise ImportError("TensorFlow needs docstrings, which python -OO and PYTHONOPTIMIZE=2 remove")
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise ImportError(f"TensorFlow needs a directory for temporary files, set TMPDIR to one: {error.strerror}"
                          ) from None
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if platform.machine().lower() in ("x86_64", "amd64"):
        # By default, TensorFlow uses oneDNN's convolutions only on processors with AVX-512. With AVX2 they cut the time
        # of a training by a quarter, and runs on both kinds of processor use the same kernels.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with contextlib.nullcontext() if verbose else held_back(), _without_keras_json():
        import tensorflow

        _check_tensorflow(tensorflow)
        _route_imports(tensorflow)
        # Keras 2 may have read its file before: images here have their channels last.
        tensorflow.keras.backend.set_image_data_format("channels_last")
        try:
            import larq
        except ModuleNotFoundError as error:
            raise ImportError(f"{error.name} is not installed: pip install --no-deps larq larq-zoo zookeeper") from None
    return tensorflow, larq


@contextlib.contextmanager
def _without_keras_json() -> Iterator[None]:
    """Hides `~/.keras/keras.json` from the Keras that are imported: it may be one of Keras 3, at which others fail."""
    home = os.environ.get("KERAS_HOME")
    os.environ["KERAS_HOME"] = os.devnull
    try:
        yield
    finally:
        if home is None:
            del os.environ["KERAS_HOME"]
        else:
            os.environ["KERAS_HOME"] = home


def _check_tensorflow(tensorflow: ModuleType) -> None:
    if not LOWEST <= tuple(map(int, tensorflow.__version__.split(".")[:2])) < ABOVE:
        raise ImportError("bars_tf needs TensorFlow {}.{} or newer, older than {}.{}; ".format(*LOWEST, *ABOVE)
                          + f"{tensorflow.__version__} is installed")
    try:
        keras = tensorflow.keras.layers.Layer.__module__.partition(".")[0]
    except ImportError:
        raise ImportError(f"bars_tf needs Keras 2: pip install 'tf-keras~={tensorflow.__version__[:4]}.0'") from None
    # Not `sys.modules`: Larq Zoo itself loads Keras 3 beside tf_keras.
    imported = getattr(sys.modules.get("tensorflow.keras"), "__file__", None) or "tf_keras"
    if keras != "tf_keras" or "tf_keras" not in Path(imported).parts:
        raise ImportError("bars_tf needs Keras 2, but this process already uses Keras 3 as tf.keras; import bars_tf "
                          "before tf.keras is used, or set TF_USE_LEGACY_KERAS=1 before Python starts")


def require_channels_last() -> None:
    """Raises FieldError where a program has set Keras to images with their channels first."""
    if (given := tf.keras.backend.image_data_format()) != "channels_last":
        raise FieldError("image_data_format", given, "networks here read images with their channels last: "
                         "tf.keras.backend.set_image_data_format('channels_last')")


def _route_imports(tensorflow: ModuleType) -> None:
    """Makes `from tensorflow.keras import ...`, which Larq uses, import Keras 2 too.

    TensorFlow decides that when it is imported, which may have been before this package was.
    """
    import tf_keras

    directory = str(Path(tf_keras.__file__).parent / "api" / "_v2")
    if directory not in tensorflow.__path__:
        tensorflow.__path__.insert(0, directory)


tf, lq = import_tensorflow(verbose=os.environ.get("BARS_VERBOSITY", "0") not in ("", "0"))
