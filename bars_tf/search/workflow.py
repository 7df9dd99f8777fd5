"""A search from the images to the genotype: train the supernet, derive candidates, score them, keep the best one.

Every step resumes where an earlier start was stopped.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bars_tf import console
from bars_tf.data.splits import reading
from bars_tf.files import read_json, write_json
from bars_tf.legacy_keras import tf
from bars_tf.search import family, successive_halving
from bars_tf.search.derivation.candidates import Candidate
from bars_tf.search.ranking import rank
from bars_tf.search.score_cache import ScoreCache, candidate_row
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.search.supernet_training import train_supernet, warn_if_undecided
from bars_tf.search.task import Search
from bars_tf.space.genotype import Genotype
from bars_tf.training import distribution
from bars_tf.training.inputs import validation_batches


def run_search(search: Search, strategy: tf.distribute.Strategy) -> tuple[Genotype, dict[str, Any]]:
    """Searches and derives, or reads what an earlier start has derived.

    Returns:
        The genotype, and for `summary.json` its accuracy by the supernet and the seconds of the search.
    """
    directory, chief = search.directory, search.run.is_chief
    file = directory / "candidates.json"
    if not (file.exists() and (directory / "genotype.json").exists()):
        if distribution.is_distributed(strategy):
            with strategy.scope():
                train_supernet(search)
        if chief:
            derive_genotype(search, file)
        distribution.barrier(strategy)
    found = read_json(file, max_bytes=2**30)
    if "winner_of_finals" in found and chief:
        successive_halving.promote(directory, found["winner_of_finals"])
    distribution.barrier(strategy)
    return Genotype.load(directory / "genotype.json"), {
        "search_accuracy": found["candidates"][0]["accuracy"], "search_seconds": found["search_seconds"]}


def derive_genotype(search: Search, candidates_file: Path) -> None:
    """Writes the candidates and `genotype.json`, from the supernet that is trained here, or was by several devices and
    is restored on one."""
    supernet, seconds = train_supernet(search)
    warn_if_undecided(supernet)
    started = time.monotonic()
    scores, settings = ScoreCache(search.directory / "search" / "scored.json"), search.settings
    with reading(search.images.validation):
        batches = validation_batches(search.images, search.run.max_steps)
        console.say("derive  finding candidates within the budget")
        if search.family:
            candidates = derive_family(search, supernet, batches, scores)
        else:
            candidates = rank(supernet, batches, settings.num_candidates - 1, scores.add, scores.known, search.limits)
        _say_best_by_origin(candidates)
    seconds, winner = seconds + scores.seconds_before + time.monotonic() - started, {}
    if settings.num_finalists:
        candidates, winner["winner_of_finals"], took = successive_halving.run_halving(
            settings, search.training, search.run, search.images, candidates, search.directory)
        seconds += took
    write_json(candidates_file, {
        "search_seconds": seconds, **winner, "candidates": [candidate_row(c) for c in candidates]})
    candidates[0].genotype.save(search.directory / "genotype.json", search.images.image_shape,
                                search.images.num_classes)
    (search.directory / "search" / "scored.json").unlink()


def derive_family(search: Search, supernet: Supernet, batches: tf.data.Dataset, scores: ScoreCache) -> list[Candidate]:
    """Writes `family.json` and the genotype of each budget.

    Returns:
        The candidates of the largest budget.
    """
    measure = search.family.measure
    ranked = functools.partial(rank, supernet, batches, search.settings.num_candidates - 1, scores.add,
                               scorer=Scorer(supernet))
    found = family.rank_members(ranked, search.family.budgets(search.budget), scores.known)
    (search.directory / "family").mkdir(exist_ok=True)
    for limit, (member, *_) in found.items():
        path = search.directory / "family" / family.file_name(limit)
        member.genotype.save(path, search.images.image_shape, search.images.num_classes)
        console.say(f"family  {getattr(member.cost, measure):,.0f} of {limit:,.0f} {measure}, accuracy "
                    f"{member.accuracy:.2%} by the supernet: {path}")
    write_json(search.directory / "family.json", {"measure": measure, "members": [
        {"budget": limit, **candidate_row(member)} for limit, (member, *_) in found.items()]})
    return list(found.values())[-1]


def _say_best_by_origin(candidates: Sequence[Candidate]) -> None:
    """Shows the best accuracy of each origin of candidates: the most probable one, samples, evolution."""
    best: dict[str, float] = {}
    for candidate in candidates:  # the best first
        best.setdefault(candidate.origin, candidate.accuracy)
    console.say("derive  best candidate by origin, accuracy by the supernet: " + ", ".join(
        f"{origin} {accuracy:.2%}" for origin, accuracy in best.items()))
