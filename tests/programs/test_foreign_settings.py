"""Runs in surroundings that belong to other programs end as they would without them."""

import json
import os
import resource

from helpers import ROOT, TINY

KERAS = {"floatx": "float64", "epsilon": 0.1, "backend": "jax", "image_data_format": "channels_first"}
MATPLOTLIB = "text.usetex: True\nno.such.key: 3\nfont.family: Nowhere\nbackend: QtAgg\nfigure.figsize: 1, 1\n"
# Of NumPy, TensorFlow, tqdm, SciPy, scikit-learn, Pillow, HDF5 and joblib, some of which fail at it.
NONSENSE = ("NPY_PROMOTION_STATE", "NUMPY_MADVISE_HUGEPAGE", "AUTOGRAPH_VERBOSITY", "TQDM_MININTERVAL",
            "SCIPY_ARRAY_API", "SKLEARN_ASSUME_FINITE", "PILLOW_BLOCK_SIZE", "HDF5_USE_FILE_LOCKING",
            "H5PY_DEFAULT_READONLY", "LOKY_MAX_CPU_COUNT", "TF_GPU_THREAD_MODE", "GRPC_VERBOSITY",
            "MLFLOW_TRACKING_URI", "TFDS_RETRY_TRIES", "HDF5_DRIVER", "SOURCE_DATE_EPOCH", "COLUMNS", "EPATH_USE_TF",
            "TF_NUM_INTEROP_THREADS", "HDF5_PLUGIN_PATH", "http_proxy", "TZ")
GENOTYPE = ROOT / "configs" / "genotypes" / "quickstart_seed0.json"
MODULES = ("PIL", "absl", "json", "keras", "larq", "numpy", "random", "search", "tensorflow")


def surround():
    """Few files, none of them for others, and no standard input."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    os.umask(0o077)
    os.close(0)


def test_settings_of_other_programs(finished, program, tmp_path):
    """All at once: to begin anew for each would take minutes."""
    expected, place, work = finished[0], tmp_path / "place", tmp_path / "work"
    place.mkdir()
    (place / "keras.json").write_text(json.dumps(KERAS))
    (place / "matplotlibrc").write_text(MATPLOTLIB)
    for name in MODULES:
        (place / f"{name}.py").write_text("raise ImportError('imported from the working directory')\n")
    environment = {
        "KERAS_BACKEND": "jax", "KERAS_HOME": str(place), "TF_USE_LEGACY_KERAS": "0",
        "MATPLOTLIBRC": str(place / "matplotlibrc"), "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "TF_CONFIG": '{"cluster": 3', "TF_CPP_MIN_LOG_LEVEL": "0", "CUDA_VISIBLE_DEVICES": "-1",
        "TFDS_DATA_DIR": str(place / "none"), "KERASTUNER_TUNER_ID": "chief", "KERASTUNER_ORACLE_IP": "192.0.2.1",
        "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "1", "PYTHONSTARTUP": str(place / "keras.py"),
        "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "TMPDIR": str(place / "none"),
        "TF_FUNCTION_JIT_COMPILE_DEFAULT": "1", "TF_NUM_INTRAOP_THREADS": "-1", "PYTHONPATH": "",
        **dict.fromkeys(NONSENSE, "nonsense")}
    done = program("search", *TINY, "--strategy=mirrored", f"--workdir={work}", cwd=place, preexec_fn=surround,
                   **environment)
    assert done.returncode == 0, done.stderr
    for name in ("Error", "Warning", "Bad key", "usetex"):
        assert name not in done.stderr
    assert (work / "genotype.json").read_bytes() == (expected / "genotype.json").read_bytes()
    names = sorted(path.name for path in (expected / "report").iterdir())
    assert names == sorted(path.name for path in (work / "report").iterdir())
    for name in names:
        assert (work / "report" / name).read_bytes() == (expected / "report" / name).read_bytes(), name
    assert {path.stat().st_mode & 0o077 for path in work.rglob("*")} == {0}


def test_features_of_another_processor(program):
    """As in the script of a job for other machines of a cluster: NumPy fails at them (numpy#22137)."""
    for features in ("AVX512_KNM", "nonsense"):
        done = program("summary", f"--genotype={GENOTYPE}", NPY_ENABLE_CPU_FEATURES=features,
                       NPY_DISABLE_CPU_FEATURES="nonsense")
        assert done.returncode == 0 and not done.stderr, done.stderr
