"""Networks in C for tests: written, compiled and run by every compiler of this machine."""

import shutil

import numpy as np
import pytest
from sample_networks import random_model

from bars_tf.export.agreement import predict
from bars_tf.export.plain_c import files
from bars_tf.export.plain_c.calls import CallList
from bars_tf.export.plain_c.proof import NOISE_IMAGES, noise, run
from bars_tf.export.plain_c.reference import reference
from bars_tf.export.settings import ACTIVATIONS
from bars_tf.legacy_keras import tf
from bars_tf.network.layer_list import layers_of

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic", "-fsanitize=address,undefined",
          "-fno-sanitize-recover=undefined")
COMPILERS = tuple(filter(shutil.which, ("gcc", "clang")))
needs_compiler = pytest.mark.skipif(not COMPILERS, reason="needs gcc or clang")


def written(directory, model, genotype, name="net", activations="float32"):
    """Writes a network as NAME.c; returns its description, and the Keras network that rounds as C does."""
    shape, channels = model.input_shape[1:], model.input_shape[-1]
    calls = CallList(layers_of(genotype, shape, model.output_shape[-1]),
                     {layer.name: layer.get_weights() for layer in model.layers if layer.weights},
                     genotype.space.kernel_quantizer == "magnitude_aware_sign")
    network, ordered = files.network_of(calls.calls, activations), reference(genotype, model, calls, activations)
    directory.mkdir(exist_ok=True)
    files.write(directory, name, network, shape, (0.3,) * channels, (0.2,) * channels,
                predict(ordered, noise(NOISE_IMAGES, shape)))
    return network, ordered


def with_some_zeros(model, rng):
    """Some gammas of 0, some thresholds at 0."""
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            values = layer.get_weights()
            values[0] *= rng.random(len(values[0])) > 0.1
            values[1] *= rng.random(len(values[1])) > 0.1
            values[2] *= rng.random(len(values[2])) > 0.1
            layer.set_weights(values)
    return model


def check(directory, genotype, rng, shape, classes=7, images=16, forms=ACTIVATIONS[:1]):
    """A random network of the genotype in C is to the last bit what Keras computes with the same rounding, and what
    Keras computes as it is, but for rounding. Returns the description of the first form of its activations."""
    model = with_some_zeros(random_model(genotype, rng, shape, classes), rng)
    given = rng.normal(size=(images, *shape)).astype(np.float32)
    expected, found = predict(model, given), []
    for activations in forms:
        network, ordered = written(directory, model, genotype, activations=activations)
        in_order = predict(ordered, given)
        differences = abs(in_order - expected).max(axis=1) / max(np.ptp(expected), 1e-30)
        assert np.median(differences) < {"float32": 1e-5, "float16": 0.05}[activations], differences
        assert differences.max() < 0.2, differences
        for compiler, option in zip(COMPILERS, ("-O1", "-D__POPCNT__")):  # bits counted by hand, and by the compiler
            np.testing.assert_array_equal(run(directory, "net", given, (compiler, *STRICT, option)), in_order)
        found.append(network)
    assert len({network.sizes for network in found}) == 1
    return found[0]
