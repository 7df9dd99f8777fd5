"""Results of a comparison: `compare.json` for programs, `compare.md` and two figures for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bars_tf.compare.contenders import RANDOM, REFERENCE, SEARCHED
from bars_tf.compare.differences import Networks, Row, by_name, differences, random_spreads, unselected
from bars_tf.compare.rank_correlation import Scores, correlations
from bars_tf.console import duration
from bars_tf.cost.measures import PEAK, UNITS
from bars_tf.files import write_bytes, write_json
from bars_tf.report import charts, html

JSON, TABLE = "compare.json", "compare.md"
FIGURES = {"ops": "compare_ops.png", "size_bytes": "compare_size_bytes.png"}  # by measure
COSTS = ("bops", "flops", "ops", "size_bytes", PEAK)
HEAD = ("network", "trainings", *(UNITS[name] for name in COSTS), "validation", "test accuracy", "a training took")


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
        write_bytes(directory / name, html.png(charts.spread(
            _points(rows, measure), UNITS[measure], "test accuracy", subject["budget"].get(measure))))


def _points(rows: Sequence[Row], measure: str) -> dict[str, list[tuple[float, list[float]]]]:
    def of(networks: Networks) -> list[tuple[float, list[float]]]:
        return [(ts[0]["cost"][measure], [row["test_accuracy"] for row in ts]) for ts in networks.values()]

    kinds = {kind: of(found) for kind in (SEARCHED, RANDOM) if (found := by_name(rows, kind))}
    return kinds | {name: of({name: ts}) for name, ts in by_name(rows, REFERENCE).items()}


def markdown(found: Mapping[str, Any]) -> str:
    """The text of `compare.md` for the content of `compare.json`."""
    rows, random = found["networks"], found["random"]
    limits = ", ".join(f"{limit:,.0f} {UNITS[name]}" for name, limit in found["budget"].items())
    lines = [f"# Searched, random and hand-made networks on {found['dataset']}", "",
             f"Space {found['space']}, budget {limits}, {rows[0]['epochs']} epochs of training each; "
             f"{len(rows)} of {found['trainings']} trainings done. Test accuracies are those of the last epoch; of "
             "several seeds, the mean (lowest to highest).", ""]
    summed = [line for kind in (SEARCHED, REFERENCE) for line in _network_rows(by_name(rows, kind))]
    if random["networks"]:
        networks = unselected(rows).values()
        summed.append(_summary(f"random, mean of {len(networks)}", networks))
    lines += _table(HEAD, summed)
    if found["differences"]:
        lines += ["", "## Differences", "", *_table(
            ("searched minus", "points", "95 % interval", "p", "searched networks"),
            map(_difference_row, found["differences"])), "",
            "p: two-sided permutation test on the means of networks; interval: bootstrap over searches, which is too "
            "narrow for few of them; \"-\": too few networks. The best random network, and the best one by a "
            "supernet, are trained as often as the searched ones; their additional trainings count in their own rows "
            "only."]
    if random["networks"]:
        lines += ["", "## Random networks", "", _spreads(random), "", _how_drawn(random["draws"]), "",
                  *_table(HEAD, _network_rows(by_name(rows, RANDOM)))]
    if found["ranking"]:
        lines += ["", "## Ranking", "", *_ranking(found["ranking"])]
    figures = [f"![Test accuracy and {UNITS[measure]}]({name})\n" for measure, name in FIGURES.items()]
    return "\n".join([*lines, "", "## Figures", "", *figures]).rstrip() + "\n"


def _table(head: Sequence[str], rows: Any) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def _network_rows(networks: Networks) -> list[list[str]]:
    return [_summary(name, [[row] for row in trainings]) for name, trainings in networks.items()]


def _summary(name: str, groups: Collection[Sequence[Row]]) -> list[str]:
    """A row of the table of networks: means over groups, and of accuracies the range of the means of groups."""
    rows = [row for group in groups for row in group]
    costs = [np.mean([group[0]["cost"][measure] for group in groups]) for measure in COSTS]
    accuracies = [[float(np.mean([row[key] for row in group])) for group in groups]
                  for key in ("validation_accuracy", "test_accuracy")]
    return [name, str(len(rows)), *(f"{cost:,.0f}" for cost in costs), *map(_percent, accuracies),
            duration(np.mean([row["train_seconds"] for row in rows]))]


def _percent(values: Sequence[float]) -> str:
    several = f" ({min(values):.2%} to {max(values):.2%})" if len(values) > 1 else ""
    return f"{np.mean(values):.2%}{several}"


def _difference_row(entry: Mapping[str, Any]) -> list[str]:
    interval = "-" if entry["interval"] is None else " to ".join(f"{100 * x:+.2f}" for x in entry["interval"])
    p = "-" if entry["p"] is None else f"{entry['p']:.4f}"
    return [entry["baseline"], f"{100 * entry['difference']:+.2f}", interval, p, str(entry["searched_networks"])]


def _spreads(random: Mapping[str, Any]) -> str:
    def points(name: str) -> str:
        return "unknown" if random[name] is None else f"{100 * random[name]:.2f} points"

    return (f"Best minus mean: {points('head_room')} ({random['best_name']}). Standard deviations: between networks of "
            f"one training each {points('spread_of_one_training_each')}; between seeds of one network "
            f"{points('spread_between_seeds')} ({random['repeated']} with several seeds); between architectures, what "
            f"the second leaves of the first, {points('spread_between_architectures')}.")


def _how_drawn(draws: Mapping[str, Any]) -> str:
    band = f"{draws['lowest_part_of_budget']:.0%} to 100% of the budget"
    if draws["is_walk"]:
        return (f"The random networks lie on a random walk over the networks at {band}, by mutations that stay there: "
                f"{draws['acceptance']:.3%} of {draws['topologies']:,} proposed mutations were accepted.")
    return (f"Widths and depths are drawn uniformly, then topologies uniformly until the cost is {band}: "
            f"{draws['acceptance']:.3%} of {draws['topologies']:,} topologies were accepted; {draws['given_up']} of "
            f"{draws['reachable']} combinations of widths and depths were given up.")


def _ranking(ranking: Mapping[str, Any]) -> list[str]:
    def tau(value: float | None) -> str:
        return "-" if value is None else f"{value:+.2f}"

    rows = [[f"{kind} by the supernet of {search['search']}", tau(search[f"{kind}_tau"])]
            for search in ranking["searches"] for kind in ("accuracy", "loss")]
    rows += [[UNITS[name], tau(value)] for name, value in ranking["cost_tau"].items()]
    rows.append([f"another training of {ranking['trained_twice']} of them", tau(ranking["two_seeds_tau"])])
    best = [f"The network with the highest score by the supernet of {search['search']}, {search['best_scored']}, has "
            f"a test accuracy of {search['its_test_accuracy']:.2%}." for search in ranking["searches"]]
    return [f"Kendall's tau with the test accuracies of {ranking['networks']} random networks.", "",
            *_table(("ranked by", "tau"), rows), *(["", *best] if best else [])]
