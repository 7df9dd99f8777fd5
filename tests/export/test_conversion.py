"""Networks as the converter gets them, and its files as models."""

import sys

import numpy as np
import pytest
from helpers import needs_engine
from sample_networks import SMALL, WIDE, random_model

from bars_tf.errors import Failure, InputError
from bars_tf.export import agreement, conversion
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.model_files import load_model
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype


def test_the_fusible_network_is_the_same(rng):
    """Its halves are normalised before they are concatenated, which rounds alike."""
    genotype = random_genotype(SMALL, rng)
    model = random_model(genotype, rng)
    images = rng.normal(size=(8, 28, 28, 1)).astype(np.float32)
    fusible = conversion.fusible(genotype, model)
    np.testing.assert_allclose(agreement.predict(fusible, images), agreement.predict(model, images), atol=1e-5)
    names = [layer.name for layer in fusible.layers]
    assert "cell_1_shortcut_even_bn" in names and "cell_1_shortcut_bn" not in names


@needs_engine
def test_rounding_of_the_engine_is_told_from_a_fault(rng):
    """A constant so small that the engine's sums lose it changes the sign of a whole channel."""
    space = WIDE.replace(layout="N", num_nodes=1, init_channels=32)
    genotype = Genotype(space, (1.0,), (1,), ((((0, "bin_conv_1x1"),),),))
    model = random_model(genotype, rng, (16, 16, 3), 4)
    layer = model.get_layer("cell_0_process_bn")
    one, zero = np.ones(32), np.zeros(32)
    layer.set_weights([one, zero - 1e-8, zero, one])  # -1e-8 where ReLU gave 0
    fusible = conversion.fusible(genotype, model)
    images = rng.normal(size=(256, 16, 16, 3)).astype(np.float32)
    in_file = conversion.interpreter(conversion.convert(fusible))(images)
    twin = conversion.with_engine_rounding(fusible)
    assert agreement.agreement(agreement.predict(model, images), in_file).close == 0
    assert agreement.agreement(agreement.predict(twin, images), in_file).holds
    layer = twin.get_layer("head")
    layer.set_weights([layer.get_weights()[0][:, ::-1], layer.get_weights()[1]])
    assert not agreement.agreement(agreement.predict(twin, images), in_file).holds


@needs_engine
@pytest.mark.parametrize("layer, kind", [
    (lq.layers.QuantConv2D, "CONV_2D"), (conversion.DirectConv2D, "LceBconv2d")])
def test_dilated_convolutions_that_share_their_input(layer, kind):
    """As Keras writes them, two on one tensor become float."""
    from bars_tf.export import tflite_file

    image = x = tf.keras.layers.Input((12, 12, 32))
    branches = [layer(32, 3, dilation_rate=2, padding="same", pad_values=1.0, input_quantizer="ste_sign",
                      kernel_quantizer="ste_sign", use_bias=False)(x) for _ in range(2)]
    model = tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(tf.keras.layers.Add()(branches)))
    assert tflite_file.parse(conversion.convert(model)).kinds.get(kind) == 2


@needs_engine
def test_a_deployment_file_computes_what_the_model_does(exported, untrained):
    network = conversion.load_tflite(str(exported[0] / "tiny_net.tflite"))
    assert (network.input_shape, network.num_classes) == ((28, 28, 1), 10)
    images = tf.constant(np.random.default_rng(0).normal(size=(20, 28, 28, 1)), tf.float32)
    expected = load_model(str(untrained / "model.h5"))(images, training=False).numpy()
    assert (network.logits(images).argmax(1) == expected.argmax(1)).sum() >= 19


@needs_engine
def test_files_that_are_refused(tmp_path, exported, monkeypatch):
    path = tmp_path / "some.tflite"
    path.write_bytes(b"hello world")
    with pytest.raises(InputError, match="--model=.*some.tflite: not a .tflite"):
        conversion.load_tflite(str(path))
    with pytest.raises(InputError, match="No such file"):
        conversion.load_tflite(str(tmp_path / "none.tflite"))
    path.write_bytes((exported[0] / "tiny_net.tflite").read_bytes())
    monkeypatch.setitem(sys.modules, "larq_compute_engine", None)
    with pytest.raises(Failure, match="larq-compute-engine is not installed"):
        conversion.load_tflite(str(path))
