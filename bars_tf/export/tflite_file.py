"""The operations of a `.tflite` file and the bytes of each, read from the FlatBuffer itself.

Reading runs nothing and does not need the Larq Compute Engine, whose operations are custom ones: LceQuantize (sign and
packing, 32 channels an int32), LceBconv2d (binary convolution), LceDequantize, LceBMaxPool2d.
"""

import collections
import dataclasses
import os
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from bars_tf.legacy_keras import tf  # noqa: F401 - the schema below is part of TensorFlow, which this imports quietly

MAX_FILE_BYTES = 2**30
BINARY_CONVOLUTION = "LceBconv2d"
FLOAT_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D")
WITH_KERNEL = (BINARY_CONVOLUTION, *FLOAT_CONVOLUTIONS, "FULLY_CONNECTED")
FLOAT32 = 0  # of the schema's TensorType
# Endings of the names of layers with weights; other layers are fused into these.
LAYER_ENDINGS = ("_conv", "_bn", "_even", "_odd")


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operation of the graph.

    Attributes:
        kind: name in TensorFlow Lite, or of the custom operation.
        name: the layer that it computes; the converter may have cut the name.
        kernel: weights of a convolution or a dense layer, [outputs, height, width, inputs]; of a binary convolution
            int32, 32 inputs in each value; None for other operations.
        input_channels: of a binary convolution, 0 for other operations.
        constant_bytes: size of the constants that no operation before has used.
        binary_weights, float_values: numbers of the weights of one bit and of all other constants.
        is_batch_norm: whether it multiplies by a constant a channel, which was not fused into a convolution.
    """

    kind: str
    name: str
    kernel: np.ndarray | None = dataclasses.field(repr=False)
    input_channels: int
    constant_bytes: int
    binary_weights: int
    float_values: int
    is_batch_norm: bool

    @property
    def is_binary(self) -> bool:
        return self.kind == BINARY_CONVOLUTION

    @property
    def is_float_convolution(self) -> bool:
        return self.kind in FLOAT_CONVOLUTIONS


@dataclasses.dataclass(frozen=True)
class Contents:
    """The contents of a file: operations in order, shapes of input and output, and size in bytes."""

    operations: tuple[Operation, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    size_bytes: int

    @property
    def convolutions(self) -> tuple[Operation, ...]:
        return tuple(op for op in self.operations if op.is_binary or op.is_float_convolution)

    @property
    def kinds(self) -> dict[str, int]:
        """Number of operations of each kind, the most frequent first."""
        return dict(collections.Counter(op.kind for op in self.operations).most_common())

    @property
    def unfused(self) -> dict[str, int]:
        """Number of operations that the converter could have fused into a convolution, but did not."""
        return {"batch norm": sum(op.is_batch_norm for op in self.operations), "ReLU": self.kinds.get("RELU", 0),
                "Pad": self.kinds.get("PAD", 0) + self.kinds.get("PADV2", 0)}

    @property
    def unfused_text(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in self.unfused.items())

    @property
    def constant_bytes(self) -> int:
        return sum(op.constant_bytes for op in self.operations)

    @property
    def structure_bytes(self) -> int:
        """Size of the rest: graph, names, options, alignment."""
        return self.size_bytes - self.constant_bytes

    @property
    def params(self) -> int:
        return sum(op.binary_weights + op.float_values for op in self.operations)

    def to_dict(self) -> dict[str, Any]:
        return {
            "input_shape": list(self.input_shape), "output_shape": list(self.output_shape),
            "size_bytes": self.size_bytes, "constant_bytes": self.constant_bytes,
            "structure_bytes": self.structure_bytes, "params": self.params, "operations": self.kinds,
            "unfused": self.unfused,
            "convolutions": [{"name": op.name, "kind": op.kind, "binary": op.is_binary, "bytes": op.constant_bytes,
                              "binary_weights": op.binary_weights, "float_values": op.float_values}
                             for op in self.convolutions]}


def read(path: str | os.PathLike) -> Contents:
    """Reads a file. Raises: ValueError if it is too large, of another kind or damaged; OSError if it is unreadable."""
    if os.path.getsize(path) > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES} bytes")
    with open(path, "rb") as file:
        return parse(file.read())


def parse(data: bytes) -> Contents:
    """Parses the bytes of a file. Raises: ValueError if they are of another kind or damaged."""
    model, graph, kinds = graph_of(data)
    try:
        seen: set[int] = set()
        return Contents(
            tuple(_operation(model, graph, op, kind, seen) for op, kind in zip(graph.operators, kinds)),
            _shape(graph, graph.inputs), _shape(graph, graph.outputs), len(data))
    except ValueError:
        raise
    except Exception as error:  # offsets that lead nowhere raise whatever struct, NumPy and lists raise
        raise ValueError(f"damaged ({type(error).__name__}: {error})") from None


def graph_of(data: bytes) -> tuple[Any, Any, list[str]]:
    """The model and the only graph of a file, by TensorFlow Lite's schema, and the kind of each operation.

    Raises: ValueError as `parse`."""
    # Imported late, because it takes a second.
    from tensorflow.lite.python import schema_py_generated as schema

    if data[4:8] != b"TFL3":
        raise ValueError("not a .tflite file")
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
        if len(model.subgraphs) != 1:
            raise ValueError(f"has {len(model.subgraphs)} graphs; one is expected")
        builtin = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        kinds = [code.customCode.decode() if code.customCode else
                 builtin[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
        return model, model.subgraphs[0], [kinds[op.opcodeIndex] for op in model.subgraphs[0].operators]
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"damaged ({type(error).__name__}: {error})") from None


def _shape(graph: Any, tensors: Any) -> tuple[int, ...]:
    if len(tensors) != 1:
        raise ValueError(f"has {len(tensors)} inputs or outputs; one is expected")
    return tuple(map(int, graph.tensors[tensors[0]].shape))


def _operation(model: Any, graph: Any, op: Any, kind: str, seen: set[int]) -> Operation:
    """`seen`: buffers of the operations before this one, which are counted there; the function adds to it."""
    is_binary, has_kernel = kind == BINARY_CONVOLUTION, kind in WITH_KERNEL
    channels = flexbuffers.Loads(bytes(op.customOptions))["channels_in"] if is_binary else 0
    kernel, is_batch_norm, counts = None, False, collections.Counter()
    for place, index in enumerate(op.inputs):
        tensor = graph.tensors[index]
        data = model.buffers[tensor.buffer].data
        if index < 0 or data is None or not len(data):  # an optional input that is absent, or no constant
            continue
        size = int(np.prod(tensor.shape))
        if place == 1 and has_kernel:
            kernel = np.asarray(data, np.uint8).view("<i4" if is_binary else "<f4").reshape(tensor.shape)
        is_batch_norm |= kind == "MUL" and size > 1
        if tensor.buffer in seen:
            continue
        seen.add(tensor.buffer)
        counts["bytes"] += len(data)
        if place == 1 and is_binary:
            # In groups the kernel has fewer inputs than the convolution, and then no padding.
            counts["binary"] += int(np.prod(tensor.shape[:3])) * min(channels, 32 * tensor.shape[3])
        elif place == 0 or has_kernel or kind in ("MUL", "ADD", "SUB"):  # other inputs are sizes, axes or paddings
            counts["float"] += size
    output = graph.tensors[op.outputs[0]]
    # A packed output has the name of the convolution that reads it.
    prefix = "before " if is_binary and output.type != FLOAT32 else ""
    return Operation(kind, prefix + _layer_name(output.name.decode()), kernel, channels, counts["bytes"],
                     counts["binary"], counts["float"], is_batch_norm)


def _layer_name(tensor: str) -> str:
    """The layer in the name of a tensor, which lists all that was fused, MODEL/LAYER/OPERATION;MODEL/LAYER/...,
    cut to 50 characters."""
    layers = [part.split("/")[1] if "/" in part else part for part in tensor.split(";") if part]
    name = next((name for name in layers if name.endswith(LAYER_ENDINGS)), layers[0] if layers else "")
    return "output" if name.startswith("StatefulPartitionedCall") else name.removesuffix("_bn").removesuffix("_conv")
