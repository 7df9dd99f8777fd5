"""The C files: templates that are C as they stand, and what the network's own text gives."""

import ctypes
import subprocess

import numpy as np
import pytest
from c_networks import COMPILERS, STRICT, needs_compiler, written
from sample_networks import WIDE, random_model

from bars_tf.data.augmentation import normalise
from bars_tf.export.agreement import predict
from bars_tf.export.plain_c.files import TEMPLATES, _float
from bars_tf.space.encoding import random_genotype


@needs_compiler
@pytest.mark.parametrize("template, option", [
    ("operations.c", "-O2"), ("operations.c", "-D__POPCNT__"), ("operations.c", "-DFLOAT16_ACTIVATIONS"),
    ("network_test.c", "-O2")])
def test_templates_compile_as_they_stand(tmp_path, template, option):
    for compiler in COMPILERS:
        done = subprocess.run([compiler, *STRICT, option, "-c", TEMPLATES / template, "-o", tmp_path / "out.o"],
                              capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_floats_are_written_exactly():
    values = np.random.default_rng(0).integers(0, 2**32, 1000, dtype=np.uint32).view(np.float32)
    for value in (*values[np.isfinite(values)], 0, -0.0, 1, 1e6, 16777216, -3e38, 1e-45):
        text = _float(value)
        assert np.float32(text) == np.float32(value) and ("." in text or "e" in text)


@needs_compiler
def test_activations_of_16_bits_are_float16(tmp_path, rng):
    """All of them are loaded exactly; what is stored is rounded as NumPy does, halves to even; the largest is kept."""
    (tmp_path / "float16.c").write_text('''#define FLOAT16_ACTIVATIONS
#include "operations.c"
void load(float *y, const value *x, int n) { for (int i = 0; i < n; i++) y[i] = loaded(x[i]); }
void store(value *y, const float *x, int n) { for (int i = 0; i < n; i++) y[i] = stored(x[i]); }
''')
    subprocess.run([COMPILERS[0], "-std=c99", "-shared", "-fPIC", "-I", TEMPLATES, "-o", tmp_path / "float16.so",
                    tmp_path / "float16.c"], check=True)
    library = ctypes.CDLL(str(tmp_path / "float16.so"))
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    loaded = np.empty(len(halves), np.float32)
    library.load(loaded.ctypes, halves.ctypes, len(halves))
    np.testing.assert_array_equal(loaded.view(np.uint32), halves.astype(np.float32).view(np.uint32))
    middles = (loaded[:-1] + loaded[1:]) / 2
    floats = np.concatenate([loaded, middles, *(np.nextafter(middles, np.float32(end)) for end in (-9, 9)),
                             rng.normal(size=1000).astype(np.float32), np.float32([65519, -65519, 65520, -1e30])])
    stored = np.empty(len(floats), np.uint16)
    library.store(stored.ctypes, floats.ctypes, len(floats))
    expected = np.clip(floats, -65504, 65504).astype(np.float16).view(np.uint16)
    np.testing.assert_array_equal(stored, expected)


@needs_compiler
def test_the_functions_of_a_network(tmp_path, rng):
    """Of a name that the templates hold: `prepare` is the preparation of training, `predict` returns the class."""
    genotype = random_genotype(WIDE, rng)
    model = random_model(genotype, rng, (12, 10, 3), 6)
    written(tmp_path, model, genotype, name="NETWORK_network")
    subprocess.run([COMPILERS[0], "-std=c99", "-shared", "-fPIC", "-o", tmp_path / "net.so",
                    tmp_path / "NETWORK_network.c"], check=True)
    library = ctypes.CDLL(str(tmp_path / "net.so"))
    pixels = rng.integers(0, 256, (12, 10, 3)).astype(np.uint8)
    image, logits = np.empty(pixels.shape, np.float32), np.empty(6, np.float32)
    library.NETWORK_network_prepare(pixels.ctypes, image.ctypes)
    np.testing.assert_array_equal(image, normalise(pixels[None], (0.3,) * 3, (0.2,) * 3)[0])
    label = library.NETWORK_network_predict(image.ctypes, logits.ctypes)
    np.testing.assert_allclose(logits, predict(model, image[None])[0], atol=1e-4)
    assert label == logits.argmax()
