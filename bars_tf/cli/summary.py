"""`bin/summary`: layers and costs of a genotype, or the contents of a model file, read from the file itself.

Needs no TensorFlow for a genotype.
"""

import collections
import json
import os
from typing import Any

import numpy as np

from bars_tf.cli.settings import Settings
from bars_tf.cost import deployment
from bars_tf.cost.device import Device
from bars_tf.cost.measures import LATENCY
from bars_tf.cost.tables import cost_by_cell, cost_of, cost_tables
from bars_tf.errors import blame
from bars_tf.export import named
from bars_tf.files import read_json
from bars_tf.report.text_table import print_table
from bars_tf.space.genotype import Genotype, made_for


def main(settings: Settings) -> None:
    values = settings.values
    path, as_json = values["genotype"] or values["model"], values["json"]
    if values["genotype"]:
        _summarize_genotype(path, values["image_size"], settings.limits.device, as_json)
    elif path.endswith(".tflite"):
        _summarize_tflite(path, as_json)
    else:
        _summarize_h5(path, as_json)


def _summarize_genotype(path: str, image_size: int, device: Device | None, as_json: bool) -> None:
    with blame("genotype", path):
        path = named.genotype_path(path)
        content = read_json(path)
        genotype = Genotype.from_dict_of(path, content)
        shape, classes = made_for(content) or ((32, 32, 3), 10)
        if image_size:
            shape = (image_size, image_size, shape[2])
        genotype.space.check_image(shape)
    tables = cost_tables(genotype.space, shape, classes, device)
    rows, total = cost_by_cell(genotype, tables), cost_of(genotype, tables)
    deployed = deployment.deployment_cost(genotype, shape, classes)
    if as_json:
        print(json.dumps({
            "genotype": genotype.to_dict(), "input_shape": shape, "num_classes": classes, "cost": total.to_dict(),
            "parts": [{"name": name, **cost.to_dict()} for name, cost in rows], "deployment": deployed._asdict(),
            **({"device": device.name} if device else {})}))
        return
    print("\n".join(genotype.describe()))
    print(f"\ninput {_size(shape)}, {classes} classes; operations are multiply-accumulates"
          + (f"; times on {device.name} are estimated" if device else "") + "\n")
    columns = {"bops": "BOPs", "flops": "FLOPs", "ops": "OPs", "binary_params": "binary params",
               "float_params": "float params", "size_bytes": "bytes", "elementwise_ops": "element-wise",
               **({LATENCY: "µs, estimated"} if device else {}), "peak_bytes": "peak bytes"}
    print_table([("part", *columns.values()),
                 *((name, *(f"{np.round(getattr(cost, column)):,.0f}" for column in columns))
                   for name, cost in [*rows, ("total", total)])])
    print("\ndeployed, one image\n")
    print_table([(label, f"{getattr(deployed, name):,}") for name, label in deployment.LABELS.items()])


def _summarize_tflite(path: str, as_json: bool) -> None:
    from bars_tf.export import tflite_file

    with blame("model", path):
        contents = tflite_file.read(path)
    if as_json:
        print(json.dumps(contents.to_dict()))
        return
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


def _summarize_h5(path: str, as_json: bool) -> None:
    from bars_tf.legacy_keras import lq
    from bars_tf.network.model_files import load_model

    model = load_model(path)
    values = _contents_of_h5(model, lq.models.ModelProfile(model), path)
    if as_json:
        print(json.dumps(values))
        return
    lq.models.summary(model)
    print(f"layers           {', '.join(f'{count} {kind}' for kind, count in values['layers'].items())}")
    print(f"file             {values['size_bytes']:,} bytes: every weight as 4 bytes, latent ones too")
    print(f"binary weights   {values['deployed_bytes']:,.0f} bytes as bits, with all other weights as 4 bytes")
    print(f"parameters / 8   {values['params'] / 8:,.0f} bytes, were each of the {values['params']:,} weights one bit")


def _contents_of_h5(model: Any, profile: Any, path: str) -> dict[str, Any]:
    convolutions = [
        {"name": layer.name, "kind": type(layer).__name__, "binary": at.input_precision == 1 and at.weight_count(1) > 0,
         "bytes": at.memory / 8, "binary_weights": at.weight_count(1), "float_values": at.weight_count(32)}
        for layer, at in zip(model.layers, profile.layer_profiles) if "Conv" in type(layer).__name__]
    return {"input_shape": list(model.input_shape), "output_shape": list(model.output_shape),
            "size_bytes": os.path.getsize(path), "deployed_bytes": profile.memory / 8,
            "params": profile.weight_count(), "bops": profile.op_count("mac", 1), "flops": profile.op_count("mac", 32),
            "layers": dict(collections.Counter(type(layer).__name__ for layer in model.layers).most_common()),
            "convolutions": convolutions}


def _size(shape: tuple) -> str:
    return "x".join(map(str, shape))
