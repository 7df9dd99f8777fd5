"""Reading of `.tflite` files."""

import pytest
from helpers import needs_engine

from bars_tf.export import tflite_file


@needs_engine
def test_contents_of_an_export(exported):
    contents = tflite_file.read(exported[0] / "tiny_net.tflite")
    assert (contents.input_shape, contents.output_shape) == ((1, 28, 28, 1), (1, 10))
    assert sum(op.is_binary for op in contents.convolutions) == contents.kinds["LceBconv2d"] == 12
    assert sum(op.is_float_convolution for op in contents.convolutions) == 2
    assert contents.unfused_text.startswith("0 batch norm, 0 ReLU")
    assert contents.constant_bytes + contents.structure_bytes == contents.size_bytes
    assert "cell_1_edge_0_1_bin_conv_3x3_even" in [op.name for op in contents.operations]
    assert contents.to_dict()["params"] == contents.params


@needs_engine
def test_damaged_data(exported):
    data = (exported[0] / "tiny_net.tflite").read_bytes()
    for content, words in ((b"", "not a .tflite file"), (b"hello world", "not a .tflite"), (data[:3000], "damaged"),
                           (data[:8] + bytes(len(data)), "damaged|graphs")):
        with pytest.raises(ValueError, match=words):
            tflite_file.parse(content)
