"""Differences of test accuracy between searched networks and baselines, and spreads of the random networks.

A row is one training as `compare.json` lists it: name and kind of the network, seed, accuracies, cost and seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bars_tf.compare import rank_correlation, statistics
from bars_tf.compare.contenders import RANDOM, REFERENCE, SEARCHED
from bars_tf.compare.statistics import Estimate

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


def hand_made(rows: Sequence[Row]) -> dict[str, Networks]:
    """The trainings of hand-made networks by baseline, then by network: a baseline is trained in several depths."""
    found: dict[str, Networks] = {}
    for name, trainings in by_name(rows, REFERENCE).items():
        found.setdefault(trainings[0].get("baseline", name), {})[name] = trainings
    return found


def best_by_validation(networks: Networks) -> str:
    """The network whose first training has the highest validation accuracy, by name."""
    return max(networks, key=lambda name: networks[name][0]["validation_accuracy"])


def differences(rows: Sequence[Row], ranking: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Mean test accuracy of the searched networks minus that of each baseline.

    `ranking` is that of `rank_correlation.correlations`. Returns an entry for each baseline, as in `compare.json`:
    `difference` is one of accuracies (0.01 is one percentage point), `values` the same for each searched network,
    `interval` and `p` its 95 % interval and two-sided p-value (`statistics.difference`), which count the noise of both
    sides; both are None for fewer than `statistics.MIN_NETWORKS` networks.
    """
    searched, randoms = _test_accuracies(by_name(rows, SEARCHED)), _test_accuracies(unselected(rows))
    if not searched:
        return []
    hands, entries = hand_made(rows), []
    if randoms:
        best = by_name(rows, RANDOM)[random_spreads(rows)["best_name"]]
        entries += [
            _entry("mean of random", searched, float(np.mean(statistics.means(randoms))),
                   statistics.of_networks(randoms), baseline_networks=len(randoms)),
            _entry_of_one("best random", rows, best, chosen_from=len(randoms))]
        if found := best_of_equal_time(rows):
            accuracy, error = found.pop("accuracy"), found.pop("error")
            entries.append(_entry(f"best of {found['size']} random by validation", searched, accuracy,
                                  Estimate(accuracy, error**2, len(randoms) - 1) if error is not None else None,
                                  baseline_networks=1, **found))
        entries += _best_by_supernet(rows, len(randoms), ranking)
    for name, networks in hands.items():
        chosen = best_by_validation(networks)
        entries.append(_entry_of_one(name, rows, networks[chosen], chosen=chosen, chosen_from=len(networks)))
    if len(hands) > 1:
        everyone = {name: trainings for networks in hands.values() for name, trainings in networks.items()}
        chosen = best_by_validation(everyone)
        entries.append(_entry_of_one("best hand-made", rows, everyone[chosen], chosen=chosen,
                                     chosen_from=len(everyone)))
    return entries


def _entry(baseline: str, searched: Sequence[statistics.Cluster], accuracy: float, other: Estimate | float | None,
           **more: Any) -> dict[str, Any]:
    """An entry of `differences`, against a baseline whose noise is that of `other`, if it is known."""
    values = [value - accuracy for value in statistics.means(searched)]
    mean, one = float(np.mean(statistics.means(searched))), statistics.of_networks(searched)
    interval, p = (None, None) if one is None or other is None else statistics.difference(one, other)
    return {"baseline": baseline, "difference": mean - accuracy, "values": values, "searched_accuracy": mean,
            "baseline_accuracy": accuracy, "searched_networks": len(searched), "p": p,
            "interval": interval and list(interval), **more}


def _entry_of_one(baseline: str, rows: Sequence[Row], trainings: Sequence[Row], **more: Any) -> dict[str, Any]:
    """An entry against one network, whose noise is that between training seeds."""
    networks = {name: group for kind in (SEARCHED, RANDOM, REFERENCE) for name, group in by_name(rows, kind).items()}
    del networks[trainings[0]["name"]]
    (seeds,), others = _test_accuracies({baseline: list(trainings)}), _test_accuracies(networks)
    return _entry(baseline, _test_accuracies(by_name(rows, SEARCHED)), float(np.mean(seeds)),
                  statistics.of_seeds(seeds, others), baseline_networks=1, **more)


def _best_by_supernet(rows: Sequence[Row], num_random: int, ranking: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The baseline that selects a random network by the supernet: search by search, as each has its own supernet."""
    selected = {search["search"]: search["its_test_accuracy"] for search in (ranking or {}).get("searches", ())}
    pairs = [(float(np.mean([row["test_accuracy"] for row in trainings])), selected[name])
             for name, trainings in by_name(rows, SEARCHED).items() if name in selected]
    if not pairs:
        return []
    accuracy = float(np.mean([other for _, other in pairs]))
    # Differences within a pair, shifted by their mean, so that the noise of both sides is in their variance.
    shifted = [[accuracy + one - other] for one, other in pairs]
    return [_entry(f"best of {num_random} random by the supernet", shifted, accuracy, accuracy, baseline_networks=1)
            | {"searched_accuracy": float(np.mean([one for one, _ in pairs]))}]


def best_of_equal_time(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Baseline that trains random networks for the time of a search, and keeps the best one on validation images.

    The search has still to train its result, so its time is that of the search and of one training.

    Returns: `afforded`, the number of trainings in that time, `size`, the same but at most the number of random
    networks, `accuracy`, the expected test accuracy over all subsets of that size, and `error`, its standard error by
    the jackknife over the random networks; None without a search time.
    """
    seconds = [row["search_seconds"] for row in rows if row["kind"] == SEARCHED and "search_seconds" in row]
    firsts = [trainings[0] for trainings in by_name(rows, RANDOM).values()]
    if not seconds or not firsts:
        return None
    # The median, because a training that was suspended took longer by the clock.
    afforded = int(np.mean(seconds) // np.median([row["train_seconds"] for row in firsts])) + 1
    size = min(afforded, len(firsts))
    validation, test = (np.array([row[f"{split}_accuracy"] for row in firsts]) for split in ("validation", "test"))
    error = statistics.jackknife_error(lambda i: statistics.best_of(validation[i], test[i], size), len(firsts)) if (
        size < len(firsts)) else None
    return {"size": size, "afforded": afforded, "accuracy": statistics.best_of(validation, test, size), "error": error}


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
