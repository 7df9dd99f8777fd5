"""The table that a program prints at the end of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bars_tf.console import duration
from bars_tf.cost.deployment import LABELS
from bars_tf.cost.measures import PEAK, UNITS
from bars_tf.report import page, run
from bars_tf.report.run_files import CANDIDATES, GENOTYPE, MODEL, SUMMARY
from bars_tf.report.text_table import print_table
from bars_tf.space.genotype import Genotype


def print_closing_table(values: dict[str, Any], genotype: Genotype, directory: Path, environment: Mapping) -> None:
    """Prints the result of a run.

    `values` are those of `summary.json`; `environment` variables of a set-up give its times.
    """
    rows = [tuple(line.split(": ", 1)) for line in genotype.describe()]
    for name, unit in UNITS.items():
        limit = values["budget"].get(name)
        if name in (PEAK, "elementwise_ops") and not limit or name not in values["cost"]:
            continue  # those of the network are among the values of deployment; only a device says times
        rows.append((unit, f"{values['cost'][name]:,.0f}" + (f" of {limit:,.0f}" if limit else "")))
    if deployed := values.get("deployment"):
        rows.append(("deployed", ", ".join(f"{deployed[name]:,} {label}" for name, label in LABELS.items())))
    if values["search_accuracy"] is not None:
        by = "in its trial" if "tuner" in values else "by the supernet"
        rows.append(("search accuracy", f"{values['search_accuracy']:.2%} {by}, on validation images"))
    rows.append(("test accuracy", f"{values['test_accuracy']:.2%} on {values['test_images']:,} images"))
    if "balanced_accuracy" in values:  # runs of earlier versions have none
        rows.append(("balanced accuracy", f"{values['balanced_accuracy']:.2%}, the mean over the classes"))
    if base := values.get("backbone"):  # with which the network of a space that has one is compared
        above = values["overhead"]
        rows.append(("backbone", ", ".join(f"{base['cost'][name]:,.0f} {UNITS[name]}" for name in above)))
        rows.append(("overhead", ", ".join(f"{fraction:.1%} {UNITS[name]}" for name, fraction in above.items())))
        if "test_accuracy" in base:
            rows.append(("backbone's accuracy", f"{base['test_accuracy']:.2%}, by the same training"))
    stages = (("search_seconds", "search"), ("train_seconds", "training"))
    times = [f"{word} {duration(values[key])}" for key, word in stages if values.get(key) is not None]
    if seconds := environment.get("BARS_SETUP_SECONDS"):
        downloads = environment.get("BARS_DOWNLOAD_SECONDS", "0")
        times.append(f"set-up {duration(float(seconds))} (of it downloads {duration(float(downloads))})")
    rows.append(("times", ", ".join(times)))
    files = [name for name in (GENOTYPE, MODEL, SUMMARY, CANDIDATES, page.PAGE)
             if (directory / name).exists()]
    rows.append(("files", f"{directory}/: {', '.join(files)}"))
    print_table(rows, left=(0, 1))
    print("\nnext:", *(command for _, command in page.next_commands(run.read(directory), directory)), sep="\n  ")
