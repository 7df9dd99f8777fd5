"""What a comparison leaves: differences and spreads of its trainings, as JSON, as a Markdown table and as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bars_tf.compare import rank_correlation as ranking
from bars_tf.compare import statistics as significance
from bars_tf.compare.contenders import RANDOM, REFERENCE, SEARCHED
from bars_tf.config import SearchConfig
from bars_tf.console import duration
from bars_tf.cost.tables import PEAK, Budget
from bars_tf.files import write_bytes, write_json
from bars_tf.report import charts
from bars_tf.report import html as page
from bars_tf.report.closing_table import UNITS

JSON, TABLE = "compare.json", "compare.md"
PICTURES = ("compare_ops.png", "compare_size_bytes.png")

Row = Mapping[str, Any]
Networks = dict[str, list[Row]]  # the trainings of each network, by its name


def write(directory: Path, config: SearchConfig, budget: Budget, rows: Sequence[Row], draws: Mapping[str, Any],
          total: int, scored: Mapping[str, Any] | None = None) -> None:
    """Writes `compare.json`, `compare.md` and the pictures of the trainings that there are, `total` when all are.

    `scored`: by search the scores that its supernet gives the random networks (see `ranking`).
    """
    ranked = ranking.of_networks(by_name(rows, RANDOM), scored or {})
    found = {"dataset": config.data_name, "space": config.search_space.name, "budget": budget.limits(),
             "trainings": total, "networks": list(rows), "differences": differences(rows, ranked),
             "random": {**of_random(rows), "draws": dict(draws)}, "ranking": ranked}
    write_json(directory / JSON, found)
    write_bytes(directory / TABLE, markdown(found).encode())
    for name, picture in zip(("ops", "size_bytes"), PICTURES):
        write_bytes(directory / picture, page.png(charts.spread(
            _points(rows, name), UNITS[name], "test accuracy", budget.limits().get(name))))


def by_name(rows: Sequence[Row], kind: str) -> Networks:
    """The trainings of one kind, network by network."""
    found: Networks = {}
    for row in rows:
        if row["kind"] == kind:
            found.setdefault(row["name"], []).append(row)
    return found


def as_drawn(rows: Sequence[Row]) -> Networks:
    """The random networks without the trainings that some got because they were good: these would bend a mean."""
    return by_name([row for row in rows if not row.get("chosen")], RANDOM)


def _test(networks: Networks) -> list[list[float]]:
    return [[row["test_accuracy"] for row in trainings] for trainings in networks.values()]


def differences(rows: Sequence[Row], ranked: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The mean accuracy of the searched networks minus that of each opponent: an entry an opponent.

    `difference` is one of test accuracies (0.01: a point), `p` that of a two-sided permutation test on the means of
    networks, `interval` from a bootstrap over the searches and what stands in `drawn`. Both are None where there is too
    little to tell: a chosen network (the best one) has no p. `ranked`: of the random networks, as by `ranking`.
    """
    searched, randoms = by_name(rows, SEARCHED), _test(as_drawn(rows))
    if not searched:
        return []
    ours = _test(searched)
    mean = float(np.mean(significance.means(ours)))

    def entry(opponent: str, accuracy: float, p: float | None, others: Any, drawn: str, **more: Any) -> dict[str, Any]:
        interval = significance.bootstrap_interval(ours, others)
        return {"opponent": opponent, "difference": mean - accuracy, "searched_accuracy": mean,
                "opponent_accuracy": accuracy, "searched_networks": len(ours), "p": p,
                "interval": interval and list(interval), "drawn": drawn, **more}

    def best_by_supernet() -> list[dict[str, Any]]:
        """The opponent that chooses among random networks by the supernet: search by search, as each has its own."""
        chosen = {search["search"]: search["its_test_accuracy"] for search in ranked["searches"]} if ranked else {}
        pairs = [(float(np.mean([row["test_accuracy"] for row in trainings])), chosen[name])
                 for name, trainings in by_name(rows, SEARCHED).items() if name in chosen]
        if not pairs:
            return []
        searched_mean, accuracy = np.mean(pairs, axis=0).tolist()
        interval = significance.bootstrap_interval([[one - other] for one, other in pairs], 0.0)
        return [{"opponent": f"best of {len(randoms)} random by the supernet", "difference": searched_mean - accuracy,
                 "searched_accuracy": searched_mean, "opponent_accuracy": accuracy, "searched_networks": len(pairs),
                 "p": None, "interval": interval and list(interval), "drawn": "pairs of search and choice"}]

    found = []
    if randoms:
        values = significance.means(randoms)
        found.append(entry("mean of random", float(np.mean(values)),
                           significance.permutation_p(significance.means(ours), values), randoms,
                           "searches, random networks", opponent_networks=len(randoms)))
        best = of_random(rows)["best"]
        found.append(entry("best random", best, None, best, "searches", opponent_networks=1, chosen_from=len(randoms)))
        if chosen := best_of_equal_time(rows):
            found.append(entry(f"best of {chosen['size']} random by validation", chosen["accuracy"], None,
                               chosen.pop("accuracy"), "searches", opponent_networks=1, **chosen))
        found += best_by_supernet()
    for name, trainings in by_name(rows, REFERENCE).items():
        seeds = [[row["test_accuracy"]] for row in trainings]
        accuracy = float(np.mean(seeds))
        fixed = len(seeds) < 2
        found.append(entry(name, accuracy, significance.permutation_p(significance.means(ours), [accuracy]),
                           accuracy if fixed else seeds, "searches" if fixed else "searches, seeds of the reference",
                           opponent_networks=1))
    return found


def best_of_equal_time(rows: Sequence[Row]) -> dict[str, Any] | None:
    """The opponent that trains random networks as long as a search takes and keeps the best one on validation images:
    its expected accuracy over all such choices from the random networks. None where no search time is known."""
    seconds = [row["search_seconds"] for row in rows if row["kind"] == SEARCHED and "search_seconds" in row]
    firsts = [trainings[0] for trainings in by_name(rows, RANDOM).values()]
    if not seconds or not firsts:
        return None
    # The median, as a training that was suspended took longer by the clock.
    afforded = int(np.mean(seconds) // np.median([row["train_seconds"] for row in firsts]))
    size = min(max(1, afforded), len(firsts))
    accuracy = significance.best_of([row["validation_accuracy"] for row in firsts],
                                    [row["test_accuracy"] for row in firsts], size)
    return {"size": size, "afforded": afforded, "accuracy": accuracy}


def of_random(rows: Sequence[Row]) -> dict[str, Any]:
    """Head-room (best minus mean) and spreads (standard deviations) of the random networks."""
    networks = by_name(rows, RANDOM)
    if not networks:
        return {"networks": 0}
    group, accuracies = _test(as_drawn(rows)), significance.means(_test(networks))
    mean, best = float(np.mean(significance.means(group))), max(accuracies)
    total, architectures = significance.architecture_spread(group)
    return {"networks": len(group), "repeated": sum(len(cluster) > 1 for cluster in group),
            "mean": mean, "best": best, "best_name": list(networks)[accuracies.index(best)],
            "head_room": best - mean, "spread_of_one_training_each": total,
            "spread_between_seeds": significance.seed_spread(group),
            "spread_between_architectures": architectures}


def chosen_random(rows: Sequence[Row], scored: Mapping[str, Any]) -> set[str]:
    """The names of the random networks that searched ones are compared with one by one: the best one so far, and what
    each supernet scores best."""
    networks = by_name(rows, RANDOM)
    if not networks or not by_name(rows, SEARCHED):
        return set()
    ranked = ranking.of_networks(networks, scored)
    return {of_random(rows)["best_name"], *(search["best_scored"] for search in (ranked or {}).get("searches", ()))}


def _points(rows: Sequence[Row], measure: str) -> dict[str, list[tuple[float, list[float]]]]:
    def of(networks: Networks) -> list[tuple[float, list[float]]]:
        return [(ts[0]["cost"][measure], [row["test_accuracy"] for row in ts]) for ts in networks.values()]

    kinds = {kind: of(found) for kind in (SEARCHED, RANDOM) if (found := by_name(rows, kind))}
    return kinds | {name: of({name: ts}) for name, ts in by_name(rows, REFERENCE).items()}


# Markdown

COSTS = ("bops", "flops", "ops", "size_bytes", PEAK)
HEAD = ("network", "trainings", *(UNITS[name] for name in COSTS), "validation", "test accuracy", "a training took")


def markdown(found: Mapping[str, Any]) -> str:
    """`compare.md`: networks of each kind, differences, random networks one by one, pictures."""
    rows, random = found["networks"], found["random"]
    limits = ", ".join(f"{limit:,.0f} {UNITS[name]}" for name, limit in found["budget"].items())
    lines = [f"# Searched, random and hand-made networks on {found['dataset']}", "",
             f"Space {found['space']}, budget {limits}, {rows[0]['epochs']} epochs of training each; "
             f"{len(rows)} of {found['trainings']} trainings done. Test accuracies of the last epoch; several seeds as "
             "mean (lowest to highest).", ""]
    summed = [line for kind in (SEARCHED, REFERENCE) for line in _table_rows(by_name(rows, kind))]
    if random["networks"]:
        summed += [_all_random(as_drawn(rows))]
    lines += _table(HEAD, summed)
    if found["differences"]:
        lines += ["", "## Differences", "", *_table(
            ("searched minus", "points", "95 % interval", "p", "searched networks"), [_difference(d) for d in
                                                                                     found["differences"]]), "",
            "p: two-sided permutation test on the means of networks; interval: bootstrap over searches (too narrow "
            "where they are few). \"-\": too few networks to tell. The best random network, and what a supernet scores "
            "best, have as many trainings as the searched ones; what others lack counts for them alone."]
    if random["networks"]:
        lines += ["", "## Random networks", "", *_random_words(random), "", *_table(HEAD, _table_rows(
            by_name(rows, RANDOM)))]
    if found["ranking"]:
        lines += ["", "## Ranking", "", *_ranking(found["ranking"])]
    lines += ["", "## Pictures", "", *(f"![Test accuracy and {unit}]({name})\n" for unit, name in
                                      zip(("OPs", "bytes"), PICTURES))]
    return "\n".join(lines).rstrip() + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def _table_rows(networks: Networks) -> list[list[str]]:
    return [[name, str(len(trainings)), *_costs(trainings[:1]), _percent([r["validation_accuracy"] for r in trainings]),
             _percent([r["test_accuracy"] for r in trainings]),
             duration(np.mean([r["train_seconds"] for r in trainings]))] for name, trainings in networks.items()]


def _all_random(networks: Networks) -> list[str]:
    rows = [row for trainings in networks.values() for row in trainings]
    values = {key: [float(np.mean([row[key] for row in trainings])) for trainings in networks.values()]
              for key in ("validation_accuracy", "test_accuracy")}
    return [f"random, mean of {len(networks)}", str(len(rows)), *_costs([ts[0] for ts in networks.values()]),
            *map(_percent, values.values()), duration(np.mean([row["train_seconds"] for row in rows]))]


def _costs(rows: Sequence[Row]) -> list[str]:
    return [f"{np.mean([row['cost'][name] for row in rows]):,.0f}" for name in COSTS]


def _percent(values: Sequence[float]) -> str:
    several = f" ({min(values):.2%} to {max(values):.2%})" if len(values) > 1 else ""
    return f"{np.mean(values):.2%}{several}"


def _difference(entry: Mapping[str, Any]) -> list[str]:
    interval = "-" if entry["interval"] is None else " to ".join(f"{100 * x:+.2f}" for x in entry["interval"])
    p = "-" if entry["p"] is None else f"{entry['p']:.4f}"
    return [entry["opponent"], f"{100 * entry['difference']:+.2f}", interval, p, str(entry["searched_networks"])]


def _random_words(random: Mapping[str, Any]) -> list[str]:
    def points(name: str) -> str:
        return "unknown" if random[name] is None else f"{100 * random[name]:.2f} points"

    draws = random["draws"]
    return [f"Best minus mean: {points('head_room')} ({random['best_name']}). Standard deviation of one training each: "
            f"{points('spread_of_one_training_each')}; between seeds of one network: {points('spread_between_seeds')} "
            f"({random['repeated']} repeated); so between architectures: {points('spread_between_architectures')}.", "",
            _how_drawn(draws)]


def _how_drawn(draws: dict[str, Any]) -> str:
    band = f"{draws['lowest_part_of_budget']:.0%} to 100% of the budget"
    if draws["is_walk"]:
        return (f"A random walk over the networks at {band}, of mutations that stay there: {draws['acceptance']:.3%} "
                f"of {draws['topologies']:,} proposed steps were taken.")
    return (f"Widths and depths drawn uniformly, then topologies uniformly until the cost lay at {band}: "
            f"{draws['acceptance']:.3%} of {draws['topologies']:,} were accepted; {draws['given_up']} of "
            f"{draws['reachable']} widths and depths were given up.")


def _ranking(ranking: Mapping[str, Any]) -> list[str]:
    def tau(value: float | None) -> str:
        return "-" if value is None else f"{value:+.2f}"

    rows = [[f"{kind} by the supernet of {search['search']}", tau(search[f"{kind}_tau"])]
            for search in ranking["searches"] for kind in ("accuracy", "loss")]
    rows += [[UNITS[name], tau(value)] for name, value in ranking["cost_tau"].items()]
    rows += [[f"another training of {ranking['trained_twice']} of them", tau(ranking["two_seeds_tau"])]]
    best = [f"The network that the supernet of {search['search']} scores best, {search['best_scored']}, reaches "
            f"{search['its_test_accuracy']:.2%}." for search in ranking["searches"]]
    return [f"Kendall's tau with the test accuracy of {ranking['networks']} random networks.", "",
            *_table(("ranked by", "tau"), rows), *(["", *best] if best else [])]
