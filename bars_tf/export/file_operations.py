"""The operations of a `.tflite` file that take time, as `cost.operations` lists those of a network."""

from flatbuffers import flexbuffers

from bars_tf.cost.operation import Operation
from bars_tf.export.tflite_file import BINARY_CONVOLUTION, FLOAT_CONVOLUTIONS, graph_of

# Softmax and reshape of the few numbers of the output, and what stands before a binary convolution that became a float
# one, see below.
UNTIMED = ("SOFTMAX", "RESHAPE", "LceDequantize")


def file_operations(data: bytes) -> list[Operation]:
    """The operations in order, without those that read constants alone, which the converter failed to compute.

    A convolution whose kernel such operations compute is a binary one with scaled weights, too many to be computed (a
    dense layer of XNOR-Net): it counts as LceBconv2d, as that it is for trained weights.

    Raises: ValueError if the bytes are no such file.
    """
    model, graph, kinds = graph_of(data)
    computed, found = set(graph.inputs), []

    def shape(tensor) -> tuple[int, int, int]:
        sizes = tuple(map(int, tensor.shape))[1:]
        return sizes if len(sizes) == 3 else (1, 1, sizes[-1] if sizes else 1)

    for op, kind in zip(graph.operators, kinds):
        read = [index for index in op.inputs if index in computed]
        if not read:
            continue
        computed |= set(op.outputs)
        if kind == "CONV_2D" and model.buffers[graph.tensors[op.inputs[1]].buffer].data is None:
            kind = BINARY_CONVOLUTION
        if kind in UNTIMED:
            continue
        options = flexbuffers.Loads(bytes(op.customOptions)) if op.customOptions is not None and len(
            op.customOptions) else {}
        builtin = vars(op.builtinOptions) if op.builtinOptions else {}
        source, target = shape(graph.tensors[read[0]]), shape(graph.tensors[op.outputs[0]])
        window = builtin.get("filterHeight", 1), builtin.get("filterWidth", 1)
        if kind == "MEAN":
            window = source[:2]
        if kind == BINARY_CONVOLUTION or kind in FLOAT_CONVOLUTIONS:
            window = tuple(map(int, graph.tensors[op.inputs[1]].shape[1:3]))
        if kind.startswith("Lce"):  # tensors of signs are packed, 32 channels a number
            if kind == BINARY_CONVOLUTION:
                source = *source[:2], options.get("channels_in", source[2])
                target = *target[:2], int(graph.tensors[op.inputs[1]].shape[0])
            elif kind == "LceQuantize":
                target = source
            else:
                source, target = (*source[:2], 32 * source[2]), (*target[:2], 32 * target[2])
        found.append(Operation(kind, source, target, window,
                               builtin.get("strideH", options.get("stride_height", 1)) or 1,
                               builtin.get("dilationHFactor", options.get("dilation_height_factor", 1)) or 1))
    return found
