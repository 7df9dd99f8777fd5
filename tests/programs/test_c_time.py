"""The time that the C code of a network takes for an image beside the interpreters of its `.tflite` file. Runs alone:

    python -m pytest -m long tests/programs/test_c_time.py
"""

import ctypes
import subprocess
import time

import numpy as np
import pytest
from c_networks import COMPILERS, needs_compiler, written
from helpers import ROOT
from sample_networks import random_model

from bars_tf.export import conversion
from bars_tf.space.genotype import Genotype

pytestmark = [pytest.mark.long, needs_compiler]
ROUNDS, IMAGES = 9, 20


def milliseconds(predict):
    """Of one image: the median of some rounds."""
    predict()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        predict()
        times.append((time.perf_counter() - start) / IMAGES * 1e3)
    return float(np.median(times))


@pytest.mark.parametrize("name, shape", [("quickstart_seed0", (28, 28, 1)), ("cifar_compare_seed0", (32, 32, 3))])
def test_time_of_an_image(name, shape, tmp_path, rng, capsys):
    engine = pytest.importorskip("larq_compute_engine.tflite.python.interpreter")
    genotype = Genotype.load(ROOT / "configs" / "genotypes" / f"{name}.json")
    model = random_model(genotype, rng, shape)
    written(tmp_path, model, genotype)
    images = rng.normal(size=(IMAGES, *shape)).astype(np.float32)
    logits, found = np.empty(10, np.float32), {}
    for compiler in COMPILERS:
        for flags in (("-O2",), ("-O3", "-march=native")):
            library = tmp_path / f"{compiler}{''.join(flags)}.so"
            subprocess.run([compiler, "-std=c99", *flags, "-shared", "-fPIC", "-o", library, tmp_path / "net.c"],
                           check=True)
            predict = ctypes.CDLL(str(library)).net_predict

            def run(predict=predict):
                for image in images:
                    predict(image.ctypes, logits.ctypes)

            found[f"C, {compiler} {' '.join(flags)}"] = milliseconds(run)
    data = conversion.convert(conversion.fusible(genotype, model))
    for title, options in (("TFLite, reference kernels of LCE", {"use_reference_bconv": True}), ("LCE", {})):
        interpreter = engine.Interpreter(data, num_threads=1, **options)
        found[title] = milliseconds(lambda interpreter=interpreter: interpreter.predict(images))
    fastest = min(value for title, value in found.items() if title.startswith("C,"))
    assert min(found.values()) > 0
    with capsys.disabled():
        print(f"\n{name}: milliseconds an image, one thread")
        for title, value in found.items():
            print(f"  {title:40s}{value:8.3f}   {value / fastest:6.2f} times the fastest C code")
