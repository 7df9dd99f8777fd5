"""What a run leaves for people and programs to read: `summary.json` and the closing table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bars_tf.compare.baselines import Network
from bars_tf.console import duration
from bars_tf.cost.deployment import LABELS
from bars_tf.cost.tables import PEAK

UNITS = {"bops": "BOPs", "flops": "FLOPs", "ops": "OPs", "params": "parameters", "size_bytes": "bytes",
         PEAK: "peak bytes"}


def _backbone_rows(values: dict[str, Any]) -> list[tuple[str, str]]:
    """What a network of NASB is compared with."""
    if "backbone" not in values:
        return []
    base, above = values["backbone"], values["overhead"]
    rows = [("backbone", ", ".join(f"{base['cost'][name]:,.0f} {UNITS[name]}" for name in above)),
            ("overhead", ", ".join(f"{share:.1%} {UNITS[name]}" for name, share in above.items()))]
    if "test_accuracy" in base:
        rows.append(("backbone's accuracy", f"{base['test_accuracy']:.2%}, by the same training"))
    return rows


def print_closing_table(values: dict[str, Any], genotype: Network, directory: Path, environment: Mapping) -> None:
    """The result of a run, for people."""
    rows = [(line.partition(": ")[0], line.partition(": ")[2]) for line in genotype.describe()]
    for name, unit in UNITS.items():
        limit = values["budget"].get(name)
        if name == PEAK and not limit:
            continue  # the exact one is among what deployment pays
        rows.append((unit, f"{values['cost'][name]:,.0f}" + (f" of {limit:,.0f}" if limit else "")))
    if deployed := values.get("deployment"):
        rows.append(("deployed", ", ".join(f"{deployed[name]:,} {label}" for name, label in LABELS.items())))
    if values["search_accuracy"] is not None:
        by = "in its trial" if "tuner" in values else "by the supernet"
        rows.append(("search accuracy", f"{values['search_accuracy']:.2%} {by}, on validation images"))
    rows.append(("test accuracy", f"{values['test_accuracy']:.2%} on {values['test_images']:,} images"))
    rows += _backbone_rows(values)
    stages = (("search_seconds", "search"), ("train_seconds", "training"))
    times = [f"{word} {duration(values[key])}" for key, word in stages if values.get(key) is not None]
    if seconds := environment.get("BARS_SETUP_SECONDS"):
        downloads = environment.get("BARS_DOWNLOAD_SECONDS", "0")
        times.append(f"set-up {duration(float(seconds))} (of it downloads {duration(float(downloads))})")
    rows.append(("times", ", ".join(times)))
    files = [name for name in ("genotype.json", "model.h5", "summary.json", "candidates.json", "report.html")
             if (directory / name).exists()]
    rows.append(("files", f"{directory}/: {', '.join(files)}"))
    width = max(len(label) for label, _ in rows)
    print("\n".join(f"{label:<{width}}  {value}" for label, value in rows))
