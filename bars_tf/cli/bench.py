"""`bin/bench`: speed and memory of search and training, beside what the machine needs for the bare convolutions."""

import json
from typing import Any

from bars_tf.cli.settings import Settings
from bars_tf.errors import InputError, blame
from bars_tf.report.text_table import print_table
from bars_tf.search.benchmark import Benchmark, run_benchmark
from bars_tf.training import environment

# What `--quick` changes, where no flag does.
QUICK = {"init_channels": 16, "layout": "NR", "num_nodes": 2}


def main(settings: Settings) -> None:
    if settings.values["quick"]:
        quick = {"num_nodes": 2} if settings.search_space.backbone else QUICK
        settings = settings.replace(rounds=min(settings.values["rounds"], 2), **{**quick, **settings.space_overrides},
                                    batch_size=min(settings.values["batch_size"], 16))
    values, space = settings.values, settings.search_space
    side = values["image_size"] or 32
    with blame("image_size", side):
        space.check_image((side, side, 3))
    if not space.convolutions():
        raise InputError.of("primitives", ",".join(space.primitives), "has no convolution, which all is measured by")
    environment.initialize(settings.run)
    results = run_benchmark(Benchmark(space, (side, side, 3), values["batch_size"], values["rounds"],
                                      settings.run.seed, settings.training, settings.data), values["measure"])
    if values["json"]:
        print(json.dumps(results))
        return
    runs_on = results["machine"]
    print(f"{runs_on['processor']}, {runs_on['cores']} cores, {', '.join(runs_on['devices'])}; "
          f"Python {runs_on['python']}, TensorFlow {runs_on['tensorflow']}")
    print_table([(name.replace("_", " "), _text(name, value)) for name, value in results.items()
                 if name not in ("settings", "machine")], left=(0, 1))


def _text(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v:.3f}" for k, v in value.items())
    if isinstance(value, list):
        return " to ".join(f"{v:.3f}" for v in value)
    if name.endswith("_bytes"):
        return f"{value / 1e9:.2f} GB"
    return f"{value:.0%}" if name.endswith("_share") else f"{value:,.3f}" if value < 1e4 else f"{value:,.0f}"
