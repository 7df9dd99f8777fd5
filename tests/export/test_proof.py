"""The proof of a deployment file: differences from the binary network."""

import pytest
from helpers import needs_engine
from sample_networks import WIDE, random_model

from bars_tf.export import conversion, proof, tflite_file
from bars_tf.legacy_keras import lq, tf
from bars_tf.space.genotype import Genotype


@needs_engine
@pytest.mark.parametrize("layer, reason", [
    (lambda: lq.layers.QuantConv2D(64, 3, groups=4, pad_values=1.0, name="grouped", padding="same",
                                   input_quantizer="ste_sign", kernel_quantizer="ste_sign", use_bias=False),
     "layer grouped is no LceBconv2d: a group has 16 input channels, which must be a multiple of 32"),
    (lambda: lq.layers.QuantDepthwiseConv2D(3, name="depthwise", padding="same", input_quantizer="ste_sign",
                                            depthwise_quantizer="ste_sign", use_bias=False),
     "layer depthwise is no LceBconv2d: the engine has no binary depthwise convolution"),
    (lambda: lq.layers.QuantConv2D(64, 1, name="half", kernel_quantizer="ste_sign", use_bias=False),
     "layer half is no LceBconv2d: its input quantizer is None"),
], ids=["grouped", "depthwise", "half"])
def test_float_fallbacks_are_named(layer, reason):
    image = tf.keras.layers.Input((8, 8, 64))
    model = tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(layer()(image)), name="net")
    problems = proof.fallbacks(model, tflite_file.parse(conversion.convert(model)))
    assert len(problems) == 1 and problems[0].startswith(reason)


@needs_engine
def test_a_kernel_of_other_signs_is_another_kernel(rng):
    """Where only the sign of a result is used, the converter negates kernels whose scale is negative."""
    space = WIDE.replace(layout="N", num_nodes=2, primitives=("none", "bare"), own_primitives={
        "bare": {"branch": "bin_conv", "kernel": 3, "shortcut": False, "activation": "none"}})
    genotype = Genotype(space, (1.0,), (1,), ((((0, "bare"),), ((0, "bare"),)),))
    model = random_model(genotype, rng)
    contents = tflite_file.parse(conversion.convert(conversion.fusible(genotype, model)))
    assert proof.fallbacks(model, contents) == []
    layer = model.get_layer("cell_0_process_conv")
    kernel = layer.get_weights()[0]
    kernel[0, 0, 0, 0] *= -1
    layer.set_weights([kernel])
    assert proof.fallbacks(model, contents)[0].startswith("layer cell_0_process_conv is no LceBconv2d")


@needs_engine
def test_equal_kernels_on_one_input_are_one_convolution(rng):
    genotype = Genotype(WIDE.replace(layout="N", num_nodes=2), (1.0,), (1,), ((((0, "bin_conv_1x1"),),) * 2,))
    model = random_model(genotype, rng, (16, 16, 3), 4)
    first, second = (layer for layer in model.layers if layer.name.endswith("1x1_conv"))
    second.set_weights(first.get_weights())
    contents = tflite_file.parse(conversion.convert(conversion.fusible(genotype, model)))
    assert contents.kinds["LceBconv2d"] == 2 and proof.fallbacks(model, contents) == []
    assert proof.fallbacks(random_model(genotype, rng, (16, 16, 3), 4), contents)  # others are not taken for them
