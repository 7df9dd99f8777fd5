"""`bin/summary --model`: what a file of a model holds, convolution by convolution, read from the file itself."""

from __future__ import annotations

import json
import os

from bars_tf.cli.settings import Settings
from bars_tf.errors import blame
from bars_tf.export import tflite_file as tflite
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.model_files import load_model
from bars_tf.report.text_table import print_table
from bars_tf.training import evaluation as evaluate


def main(settings: Settings) -> int:
    values = settings.values
    if values["model"].endswith(evaluate.TFLITE):
        with blame("model", values["model"]):
            contents = tflite.read(values["model"])
        print(json.dumps(contents.to_dict())) if values["json"] else _print_tflite(contents)
    else:
        model = load_model(values["model"])
        print(json.dumps(_h5_to_dict(model, values["model"]))) if values["json"] else _print_h5(model, values["model"])
    return 0


def _print_tflite(contents: tflite.Contents) -> None:
    print(f"input {_size(contents.input_shape)}, output {_size(contents.output_shape)}\n")
    print_table([("operation", "number"), *((kind, f"{count:,}") for kind, count in contents.kinds.items())])
    rows = [(op.name, "binary" if op.is_binary else "float", op.kind, f"{op.binary_weights:,}", f"{op.float_values:,}",
             f"{op.constant_bytes:,}") for op in contents.convolutions]
    print()
    print_table([("convolution", "", "operation", "binary weights", "float values", "bytes"), *rows])
    binary = sum(op.is_binary for op in contents.convolutions)
    print(f"\n{binary} binary and {len(rows) - binary} float convolutions; not fused into one: "
          f"{contents.unfused_text}")
    print(f"file             {contents.size_bytes:,} bytes")
    print(f"  constants      {contents.constant_bytes:,} bytes: one bit a binary weight, its input channels packed to "
          "32, and 4 bytes any other value")
    print(f"  structure      {contents.structure_bytes:,} bytes"
          + (f", {contents.structure_bytes / len(rows):,.0f} a convolution" if rows else ""))
    print(f"parameters / 8   {contents.params / 8:,.0f} bytes, were each of the {contents.params:,} values one bit")


def _print_h5(model: tf.keras.Model, path: str) -> None:
    lq.models.summary(model)
    values = _h5_to_dict(model, path)
    kinds = ", ".join(f"{count} {kind}" for kind, count in values["layers"].items())
    print(f"layers           {kinds}")
    print(f"file             {values['size_bytes']:,} bytes: every weight as 4 bytes, latent ones too")
    print(f"binary weights   {values['deployed_bytes']:,.0f} bytes as bits, with all other weights as 4 bytes")
    print(f"parameters / 8   {values['params'] / 8:,.0f} bytes, were each of the {values['params']:,} weights one bit")


def _h5_to_dict(model: tf.keras.Model, path: str) -> dict:
    profile = lq.models.ModelProfile(model)
    layers: dict[str, int] = {}
    for layer in model.layers:
        kind = type(layer).__name__
        layers[kind] = layers.get(kind, 0) + 1
    convolutions = [
        {"name": layer.name, "kind": type(layer).__name__, "binary": at.input_precision == 1 and at.weight_count(1) > 0,
         "bytes": at.memory / 8, "binary_weights": at.weight_count(1), "float_values": at.weight_count(32)}
        for layer, at in zip(model.layers, profile.layer_profiles) if "Conv" in type(layer).__name__]
    return {"input_shape": list(model.input_shape), "output_shape": list(model.output_shape),
            "size_bytes": os.path.getsize(path), "deployed_bytes": profile.memory / 8,
            "params": profile.weight_count(), "bops": profile.op_count("mac", 1), "flops": profile.op_count("mac", 32),
            "layers": dict(sorted(layers.items(), key=lambda item: -item[1])), "convolutions": convolutions}


def _size(shape: tuple) -> str:
    return "x".join(map(str, shape))
