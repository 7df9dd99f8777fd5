"""The files that have to be timed on a device: each operation of a search space once, and networks for control."""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bars_tf import console
from bars_tf.cost.operation import Operation
from bars_tf.cost.profiles import ABOUT, MANIFEST, manifest
from bars_tf.cost.tables import operations_of_space
from bars_tf.export import conversion
from bars_tf.export.file_operations import file_operations
from bars_tf.files import write_bytes, write_json
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.space.encoding import random_genotype
from bars_tf.space.search_space import SearchSpace

NUM_NETWORKS = 3
SCRIPT = f"""#!/bin/sh
# Times every .tflite file of this directory on a device. Copy the directory there (by adb or ssh) together with
# lce_benchmark_model from the releases of larq/compute-engine (64-bit Linux or Android), and run this script. Copy the
# directory back, and read it by `bin/device --read=DIRECTORY --output=NAME.json`. Started again, it goes on.
# THREADS=4 ./run.sh times four threads; OPTIONS=--use_xnnpack=false, say, are further options of the tool.
cd "$(dirname "$0")" || exit 1
BENCHMARK=${{BENCHMARK:-./lce_benchmark_model}} THREADS=${{THREADS:-1}}
printf 'threads=%s\\ndate=%s\\nsystem=%s\\nengine=%s\\n' "$THREADS" "$(date +%Y-%m-%d)" "$(uname -nrm)" \\
  "${{ENGINE:-unknown}} $OPTIONS" > {ABOUT}
for file in *.tflite; do
  name=${{file%.tflite}}
  [ -s "$name.csv" ] && continue
  echo "$name"
  # shellcheck disable=SC2086
  if "$BENCHMARK" --graph="$file" --num_threads="$THREADS" --num_runs=50 --warmup_runs=5 --enable_op_profiling=true \\
      --op_profiling_output_mode=csv --op_profiling_output_file="$name.part" $OPTIONS > "$name.txt" 2>&1
  then mv "$name.part" "$name.csv"
  else echo "failed: $name, see $name.txt" >&2; exit 1
  fi
done
"""


def write(directory: Path, space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int, seed: int) -> int:
    """Writes the `.tflite` files, `layers.json` and the script `run.sh`; returns the number of files.

    Raises: OSError if one cannot be written.
    """
    operations = operations_of_space(space, input_shape, num_classes)
    files, covered = {}, set()
    # Binary convolutions first: their files pack signs too.
    order = ["LceBconv2d", "LceBMaxPool2d", "LceQuantize"]
    pending = sorted(operations, key=lambda op: order.index(op.kind) if op.kind in order else len(order))
    for number, operation in enumerate(pending, start=1):
        console.rewrite(f"device  {number} of {len(pending)} operations")
        if operation in covered:
            continue
        name, data = f"layer_{len(files):03}", _converted(*_function(operation))
        files[name] = file_operations(data)
        covered.update(files[name])
        write_bytes(directory / f"{name}.tflite", data)
    rng, networks = np.random.default_rng(seed), {}
    for number in range(NUM_NETWORKS):
        console.rewrite(f"device  network {number + 1} of {NUM_NETWORKS}")
        genotype = random_genotype(space, rng)
        model = conversion.fusible(genotype, _with_statistics(build_network(genotype, input_shape, num_classes), rng))
        data = conversion.convert(model)
        networks[f"network_{number}"] = file_operations(data)
        write_bytes(directory / f"network_{number}.tflite", data)
        tf.keras.backend.clear_session()
    console.close()
    write_json(directory / MANIFEST, manifest(files, networks))
    write_bytes(directory / "run.sh", SCRIPT.encode())
    with contextlib.suppress(PermissionError):  # shared folders do not know it; `sh run.sh` does without
        (directory / "run.sh").chmod(0o755)
    return len(files) + len(networks)


def _with_statistics(model: tf.keras.Model, rng: np.random.Generator) -> tf.keras.Model:
    """Gives batch norms statistics as after a training: the converter leaves out an addition of zero."""
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 2, size) for _ in range(4)])
    return model


def _function(operation: Operation) -> tuple[Callable, list[tuple[int, ...]], tf.keras.layers.Layer | None]:
    """A function that becomes an operation, if need be with others, the shapes of its inputs, and the layer whose
    variables it reads, if any."""
    (height, width, channels), shape, kind = operation.source, operation.shape, operation.kind
    source, rng = (1, height, width, channels), np.random.default_rng(0)

    def constant(*sizes: int) -> tf.Tensor:
        return tf.constant(rng.uniform(0.5, 1, sizes), tf.float32)

    if kind.startswith("Lce"):
        convolution = conversion.DirectConv2D(
            shape[2] if kind == "LceBconv2d" else 32, operation.window if kind == "LceBconv2d" else 1,
            strides=operation.stride if kind == "LceBconv2d" else 1, dilation_rate=operation.dilation, padding="same",
            pad_values=1.0, input_quantizer="ste_sign", kernel_quantizer="ste_sign", use_bias=False)
        convolution.build(source)
        if kind == "LceBMaxPool2d":
            return lambda x: convolution(tf.nn.max_pool2d(x, 1, 2, "SAME")), [source], convolution
        return convolution, [source], convolution
    pool = {"MAX_POOL_2D": tf.nn.max_pool2d, "AVERAGE_POOL_2D": tf.nn.avg_pool2d}.get(kind)
    if pool:
        return lambda x: pool(x, operation.window, operation.stride, "SAME"), [source], None
    if kind == "CONCATENATION":
        return lambda *xs: tf.concat(xs, -1), [source] * (shape[2] // channels), None
    kernel = constant(*operation.window, channels, shape[2])
    function = {
        "CONV_2D": lambda x: tf.nn.conv2d(x, kernel, operation.stride, "SAME"),
        "FULLY_CONNECTED": lambda x: tf.matmul(x, kernel[0, 0]) + kernel[0, 0, 0],
        "ADD": lambda x, y: x + y,
        "MUL": lambda x: x * kernel[0, 0, 0],
        "RELU": tf.nn.relu,
        "MEAN": lambda x: tf.reduce_mean(x, (1, 2)),
        "STRIDED_SLICE": lambda x: x[:, height - shape[0]:, width - shape[1]:, :shape[2]],
        "PAD": lambda x: tf.pad(x, [(0, 0), (0, shape[0] - height), (0, shape[1] - width), (0, 0)]),
    }[kind]
    inputs = [(1, channels)] if kind == "FULLY_CONNECTED" else [source]
    return function, inputs * (2 if kind == "ADD" else 1), None


def _converted(function: Callable, shapes: Sequence[tuple[int, ...]], layer: tf.keras.layers.Layer | None) -> bytes:
    """The bytes of the `.tflite` file of a function, as `_function` returns it."""
    from larq_compute_engine import convert_saved_model

    module = tf.Module()
    module.variables_of_layer = layer.variables if layer else []
    signature = [tf.TensorSpec(shape, tf.float32, name=f"x_{i}") for i, shape in enumerate(shapes)]
    module.function = tf.function(lambda *xs: function(*xs), signature, autograph=False)
    with tempfile.TemporaryDirectory() as directory:
        tf.saved_model.save(module, directory, signatures=module.function)
        return convert_saved_model(directory)
