"""Results of a comparison: `compare.json` for programs, `compare.md` and two figures for people."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from bars_tf.compare.contenders import RANDOM, REFERENCE, SEARCHED
from bars_tf.compare.differences import Networks, Row, by_name, differences, random_spreads, unselected
from bars_tf.compare.rank_correlation import Scores, correlations
from bars_tf.console import duration
from bars_tf.cost.measures import LATENCY, PEAK, UNITS
from bars_tf.files import write_bytes, write_json
from bars_tf.report import charts, html

JSON, TABLE = "compare.json", "compare.md"
FIGURES = {"ops": "compare_ops.png", "size_bytes": "compare_size_bytes.png"}  # by measure
COSTS = ("bops", "flops", "ops", "size_bytes", LATENCY, PEAK)
TEMPLATES = jinja2.Environment(loader=jinja2.PackageLoader("bars_tf.compare"), trim_blocks=True, lstrip_blocks=True,
                               keep_trailing_newline=True, undefined=jinja2.StrictUndefined)


def write(directory: Path, rows: Sequence[Row], total: int, draws: Mapping[str, Any], scores: Scores,
          subject: Mapping[str, Any]) -> None:
    """Writes `compare.json`, `compare.md` and the figures of the trainings so far, of a total to come.

    Args:
        draws: how the random networks were drawn (`random_networks.Draws.to_dict`).
        subject: `dataset` and `space` by name, and `budget`, its limits by measure.
    """
    ranking = correlations(by_name(rows, RANDOM), scores)
    found = {**subject, "trainings": total, "networks": list(rows), "differences": differences(rows, ranking),
             "random": {**random_spreads(rows), "draws": dict(draws)}, "ranking": ranking}
    write_json(directory / JSON, found)
    write_bytes(directory / TABLE, markdown(found).encode())
    for measure, name in FIGURES.items():
        write_bytes(directory / name, html.png(charts.against_cost(
            _points(rows, measure), UNITS[measure], "test accuracy", subject["budget"].get(measure))))


def _points(rows: Sequence[Row], measure: str) -> dict[str, list[tuple[float, list[float]]]]:
    def of(networks: Networks) -> list[tuple[float, list[float]]]:
        return [(ts[0]["cost"][measure], [row["test_accuracy"] for row in ts]) for ts in networks.values()]

    kinds = {kind: of(found) for kind in (SEARCHED, RANDOM) if (found := by_name(rows, kind))}
    return kinds | {name: of({name: ts}) for name, ts in by_name(rows, REFERENCE).items()}


def markdown(found: Mapping[str, Any]) -> str:
    """The text of `compare.md` for the content of `compare.json`."""
    rows = found["networks"]
    of_kind = {kind: [_summary(name, [[row] for row in trainings]) for name, trainings in by_name(rows, kind).items()]
               for kind in (SEARCHED, REFERENCE, RANDOM)}
    summary = of_kind[SEARCHED] + of_kind[REFERENCE]
    if randoms := unselected(rows).values():
        summary.append(_summary(f"random, mean of {len(randoms)}", randoms))
    head = ("network", "trainings", *(UNITS[name] for name in _costs(rows)), "validation", "test accuracy",
            "a training took")
    return TEMPLATES.get_template(TABLE).render(found, head=head, summary=summary, randoms=of_kind[RANDOM], units=UNITS,
                                                figures=FIGURES)


def _costs(rows: Sequence[Row]) -> list[str]:
    """The measures of the table: those that all rows have, with time where there is a device."""
    return [name for name in COSTS if all(name in row["cost"] for row in rows)]


def _summary(name: str, groups: Collection[Sequence[Row]]) -> list[str]:
    """A row of the table of networks: means over groups, and of accuracies the range of the means of groups."""
    rows = [row for group in groups for row in group]
    costs = [np.mean([group[0]["cost"][measure] for group in groups]) for measure in _costs(rows)]
    accuracies = [[float(np.mean([row[key] for row in group])) for group in groups]
                  for key in ("validation_accuracy", "test_accuracy")]
    return [name, str(len(rows)), *(f"{cost:,.0f}" for cost in costs), *map(_percent, accuracies),
            duration(np.mean([row["train_seconds"] for row in rows]))]


def _percent(values: Sequence[float]) -> str:
    several = f" ({min(values):.2%} to {max(values):.2%})" if len(values) > 1 else ""
    return f"{np.mean(values):.2%}{several}"
