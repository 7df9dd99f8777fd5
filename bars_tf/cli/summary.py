"""`bin/summary`: layers and costs of a genotype, or of a file of a model. Needs no TensorFlow for a genotype."""

from __future__ import annotations

import importlib
import json

import numpy as np

from bars_tf.cli.settings import Settings
from bars_tf.cost import deployment
from bars_tf.cost.measures import Cost
from bars_tf.cost.tables import cost_by_cell, cost_of, cost_tables
from bars_tf.errors import InputError, blame
from bars_tf.files import read_json
from bars_tf.report.text_table import print_table
from bars_tf.space.genotype import Genotype, made_for

DEFAULT_SHAPE, DEFAULT_CLASSES = (32, 32, 3), 10


def main(settings: Settings) -> int:
    values = settings.values
    if bool(values["genotype"]) == bool(values["model"]):
        raise InputError("--genotype, --model: one of them is needed, as in `bin/summary --model=runs/NAME/model.h5`")
    if values["model"]:
        return importlib.import_module("bars_tf.cli.model_summary").main(settings)
    with blame("genotype", values["genotype"]):
        content = read_json(values["genotype"])
        genotype = Genotype.from_dict_of(values["genotype"], content)
        shape, classes = made_for(content) or (DEFAULT_SHAPE, DEFAULT_CLASSES)
        if values["image_size"]:
            shape = (values["image_size"], values["image_size"], shape[2])
        genotype.space.check_image(shape)
    tables = cost_tables(genotype.space, shape, classes)
    rows = cost_by_cell(genotype, tables)
    total, deployed = cost_of(genotype, tables), deployment.deployment_cost(genotype, shape, classes)
    if values["json"]:
        print(json.dumps({
            "genotype": genotype.to_dict(), "input_shape": shape, "num_classes": classes, "cost": total.to_dict(),
            "parts": [{"name": name, **cost.to_dict()} for name, cost in rows], "deployment": deployed._asdict()}))
        return 0
    print("\n".join(genotype.describe()))
    print(f"\ninput {'x'.join(map(str, shape))}, {classes} classes; operations are multiply-accumulates\n")
    header = ("part", "BOPs", "FLOPs", "OPs", "binary params", "float params", "bytes", "peak bytes")
    table = [header] + [(name, *_numbers(cost)) for name, cost in [*rows, ("total", total)]]
    print_table(table)
    print("\ndeployed, one image\n")
    print_table([(label, f"{getattr(deployed, name):,}") for name, label in deployment.LABELS.items()])
    return 0


def _numbers(cost: Cost) -> list[str]:
    return [f"{np.round(v):,.0f}" for v in (cost.bops, cost.flops, cost.ops, cost.binary_params, cost.float_params,
                                            cost.size_bytes, cost.peak_bytes)]
