"""Differences of test accuracy between searched networks and baselines, and spreads of the random networks.

A row is one training as `compare.json` lists it: name and kind of the network, seed, accuracies, cost and seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bars_tf.compare import rank_correlation, statistics
from bars_tf.compare.contenders import RANDOM, REFERENCE, SEARCHED

Row = Mapping[str, Any]
Networks = dict[str, list[Row]]  # the trainings of each network, by its name


def by_name(rows: Sequence[Row], kind: str) -> Networks:
    """The trainings of the networks of one kind."""
    found: Networks = {}
    for row in rows:
        if row["kind"] == kind:
            found.setdefault(row["name"], []).append(row)
    return found


def unselected(rows: Sequence[Row]) -> Networks:
    """The random networks without the trainings that some got because they were good: these would bias a mean."""
    return by_name([row for row in rows if not row.get("chosen")], RANDOM)


def differences(rows: Sequence[Row], ranking: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Mean test accuracy of the searched networks minus that of each baseline.

    `ranking` is that of `rank_correlation.correlations`. Returns an entry for each baseline, as in `compare.json`:
    `difference` is one of accuracies (0.01 is one percentage point), `p` the two-sided p-value of a permutation test on
    the means of networks, `interval` the bootstrap interval over what `drawn` names. Both are None if there are too few
    networks; a baseline that was selected from several (the best one) has no `p`.
    """
    searched, randoms = _test_accuracies(by_name(rows, SEARCHED)), _test_accuracies(unselected(rows))
    if not searched:
        return []
    ours = statistics.means(searched)
    entries = []
    if randoms:
        values, best = statistics.means(randoms), random_spreads(rows)["best"]
        entries += [
            _entry("mean of random", searched, float(np.mean(values)), randoms, "searches, random networks",
                   p=statistics.permutation_p(ours, values), baseline_networks=len(randoms)),
            _entry("best random", searched, best, best, "searches", baseline_networks=1, chosen_from=len(randoms))]
        if chosen := best_of_equal_time(rows):
            accuracy = chosen.pop("accuracy")
            entries.append(_entry(f"best of {chosen['size']} random by validation", searched, accuracy, accuracy,
                                  "searches", baseline_networks=1, **chosen))
        entries += _best_by_supernet(rows, len(randoms), ranking)
    for name, trainings in by_name(rows, REFERENCE).items():
        seeds = [[row["test_accuracy"]] for row in trainings]
        accuracy = float(np.mean(seeds))
        others, drawn = (accuracy, "searches") if len(seeds) < 2 else (seeds, "searches, seeds of the baseline")
        entries.append(_entry(name, searched, accuracy, others, drawn, baseline_networks=1,
                              p=statistics.permutation_p(ours, [accuracy])))
    return entries


def _entry(baseline: str, searched: Sequence[statistics.Cluster], accuracy: float,
           others: Sequence[statistics.Cluster] | float, drawn: str, p: float | None = None, **more: Any
           ) -> dict[str, Any]:
    """An entry of `differences`; `others` are the accuracies of the baseline that its interval is drawn from."""
    mean = float(np.mean(statistics.means(searched)))
    interval = statistics.bootstrap_interval(searched, others)
    return {"baseline": baseline, "difference": mean - accuracy, "searched_accuracy": mean,
            "baseline_accuracy": accuracy, "searched_networks": len(searched), "p": p,
            "interval": interval and list(interval), "drawn": drawn, **more}


def _best_by_supernet(rows: Sequence[Row], num_random: int, ranking: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The baseline that selects a random network by the supernet: search by search, as each has its own supernet."""
    selected = {search["search"]: search["its_test_accuracy"] for search in (ranking or {}).get("searches", ())}
    pairs = [(float(np.mean([row["test_accuracy"] for row in trainings])), selected[name])
             for name, trainings in by_name(rows, SEARCHED).items() if name in selected]
    if not pairs:
        return []
    entry = _entry(f"best of {num_random} random by the supernet", [[one] for one, _ in pairs],
                   float(np.mean([other for _, other in pairs])), 0.0, "pairs of search and selection")
    interval = statistics.bootstrap_interval([[one - other] for one, other in pairs], 0.0)
    return [entry | {"interval": interval and list(interval)}]


def best_of_equal_time(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Baseline that trains random networks for the time of a search and keeps the best one on validation images.

    Returns `afforded`, the number of trainings in that time, `size`, the same but at most the number of random
    networks, and `accuracy`, the expected test accuracy over all subsets of that size; None without a search time.
    """
    seconds = [row["search_seconds"] for row in rows if row["kind"] == SEARCHED and "search_seconds" in row]
    firsts = [trainings[0] for trainings in by_name(rows, RANDOM).values()]
    if not seconds or not firsts:
        return None
    # The median, because a training that was suspended took longer by the clock.
    afforded = int(np.mean(seconds) // np.median([row["train_seconds"] for row in firsts]))
    size = min(max(1, afforded), len(firsts))
    accuracy = statistics.best_of(*([row[f"{split}_accuracy"] for row in firsts] for split in ("validation", "test")),
                                  size)
    return {"size": size, "afforded": afforded, "accuracy": accuracy}


def random_spreads(rows: Sequence[Row]) -> dict[str, Any]:
    """Best minus mean (`head_room`) and standard deviations of the test accuracies of the random networks."""
    networks = by_name(rows, RANDOM)
    if not networks:
        return {"networks": 0}
    group, accuracies = _test_accuracies(unselected(rows)), statistics.means(_test_accuracies(networks))
    mean, best = float(np.mean(statistics.means(group))), max(accuracies)
    total, architectures = statistics.architecture_spread(group)
    return {"networks": len(group), "repeated": sum(len(cluster) > 1 for cluster in group),
            "mean": mean, "best": best, "best_name": list(networks)[accuracies.index(best)],
            "head_room": best - mean, "spread_of_one_training_each": total,
            "spread_between_seeds": statistics.seed_spread(group), "spread_between_architectures": architectures}


def selected_random(rows: Sequence[Row], scores: rank_correlation.Scores) -> set[str]:
    """Names of the random networks that are baselines of their own: the best one, and the best by each supernet."""
    networks = by_name(rows, RANDOM)
    if not networks or not by_name(rows, SEARCHED):
        return set()
    ranking = rank_correlation.correlations(networks, scores) or {}
    return {random_spreads(rows)["best_name"], *(search["best_scored"] for search in ranking.get("searches", ()))}


def _test_accuracies(networks: Networks) -> list[list[float]]:
    return [[row["test_accuracy"] for row in trainings] for trainings in networks.values()]
