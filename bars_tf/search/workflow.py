"""A search from the images to the genotype: train the supernet, derive candidates, score them, keep the best one.

Successive halving can choose among them: the best candidates start training, and the better half continues.

Every step resumes where an earlier start was stopped.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bars_tf import console
from bars_tf.config import running_seconds
from bars_tf.data.splits import reading
from bars_tf.files import read_json, write_json
from bars_tf.legacy_keras import tf
from bars_tf.report.run_files import CANDIDATES, FAMILY, GENOTYPE, read_log
from bars_tf.search.derivation.candidates import Candidate
from bars_tf.search.ranking import SavedScores, rank, rank_members
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet_training import train_supernet, warn_if_undecided
from bars_tf.search.task import Search
from bars_tf.space.genotype import Genotype
from bars_tf.training import checkpoint_files, distribution, fit, inputs

FINAL = "finals/candidate_{}"


def candidate_row(candidate: Candidate) -> dict[str, Any]:
    """A candidate as JSON."""
    return {"origin": candidate.origin, "accuracy": candidate.accuracy, "loss": candidate.loss,
            "cost": candidate.cost.to_dict(), "genotype": candidate.genotype.to_dict()}


def run_search(search: Search, strategy: tf.distribute.Strategy) -> tuple[Genotype, dict[str, Any]]:
    """Searches and derives, or reads what an earlier start has derived: the genotype, and for `summary.json` its
    accuracy by the supernet and the seconds of the search."""
    directory, chief = search.directory, search.run.is_chief
    file = directory / CANDIDATES
    if not (file.exists() and (directory / GENOTYPE).exists()):
        if distribution.is_distributed(strategy):
            with strategy.scope():
                train_supernet(search)
        if chief:
            derive_genotype(search, file)
        distribution.barrier(strategy)
    found = read_json(file, max_bytes=2**30)
    if "winner_of_finals" in found and chief:
        promote_winner(directory, found["winner_of_finals"])
    distribution.barrier(strategy)
    return Genotype.load(directory / GENOTYPE), {
        "search_accuracy": found["candidates"][0]["accuracy"], "search_seconds": found["search_seconds"]}


def derive_genotype(search: Search, candidates_file: Path) -> None:
    """Writes the candidates and `genotype.json`, from the supernet that is trained here, or was by several devices and
    is restored on one."""
    supernet, seconds = train_supernet(search)
    warn_if_undecided(supernet)
    batches = inputs.validation_batches(search.images, search.run.max_steps)
    scores = SavedScores(search.directory / "search" / "scored.json", lambda: functools.partial(
        Scorer(supernet).score, batches=batches))
    started = running_seconds() - scores.seconds
    with reading(search.images.validation):
        console.say("derive  finding candidates within the budget")
        ranking = functools.partial(rank, supernet, None, search.settings.num_candidates - 1, score=scores,
                                    title="derive")
        candidates = derive_family(search, ranking) if search.family else ranking(budget=search.limits)
    best: dict[str, float] = {}
    for candidate in candidates:  # the best first
        best.setdefault(candidate.origin, candidate.accuracy)
    console.say("derive  best candidate by origin, accuracy by the supernet: " + ", ".join(
        f"{origin} {accuracy:.2%}" for origin, accuracy in best.items()))
    seconds, winner = seconds + running_seconds() - started, {}
    if search.settings.num_finalists:
        candidates, winner["winner_of_finals"], took = run_halving(search, candidates)
        seconds += took
    write_json(candidates_file, {
        "search_seconds": seconds, **winner, "candidates": [candidate_row(c) for c in candidates]})
    candidates[0].genotype.save(search.directory / GENOTYPE, search.images.image_shape, search.images.num_classes)
    scores.path.unlink()


def derive_family(search: Search, ranking: Callable[..., list[Candidate]]) -> list[Candidate]:
    """Writes `family.json` and the genotype of each budget; returns the candidates of the largest budget."""
    measure = search.family.measure
    found = rank_members(ranking, search.family.budgets(search.budget))
    for limit, (member, *_) in found.items():
        path = search.directory / "family" / f"{limit:.0f}.json"
        member.genotype.save(path, search.images.image_shape, search.images.num_classes)
        console.say(f"family  {getattr(member.cost, measure):,.0f} of {limit:,.0f} {measure}, accuracy "
                    f"{member.accuracy:.2%} by the supernet: {path}")
    write_json(search.directory / FAMILY, {"measure": measure, "members": [
        {"budget": limit, **candidate_row(member)} for limit, (member, *_) in found.items()]})
    return list(found.values())[-1]


def finalists(candidates: Sequence[Candidate], number: int) -> list[int]:
    """The indices of the candidates that are trained: the best that the alphas propose and the best uniform ones, in
    turn, as far as there are any (our choice).

    Shared weights are those of what the alphas sample, so that they are no judge between these two kinds.
    """
    proposed, uniform = ([i for i, c in enumerate(candidates) if (c.origin == "uniform") == is_uniform]
                         for is_uniform in (False, True))
    in_turn = [i for pair in itertools.zip_longest(proposed, uniform) for i in pair if i is not None]
    return in_turn[:number]


def run_halving(search: Search, candidates: Sequence[Candidate]) -> tuple[list[Candidate], int, float]:
    """Trains `num_finalists` candidates (see `finalists`). Every `finalist_epochs` the better half by validation
    accuracy continues, until one is left. Resumes the training at which it was stopped.

    Supernet scores of candidates that differ little are mostly noise, which their training is not. The trainings are
    the beginning of full ones: short ones, whose learning rate falls to 0, would prefer networks that learn fast.

    Returns the candidates with the winner in front, its index in the given order, and the seconds that the other
    trainings took, those of earlier starts included.
    """
    settings, training = search.settings, search.training
    remaining, epochs, seconds = finalists(candidates, settings.num_finalists), 0, {}
    while len(remaining) > 1:
        epochs, accuracies = min(epochs + settings.finalist_epochs, training.train_epochs), {}
        for i in remaining:
            stage = fit.Stage(FINAL.format(i), training.train_epochs, training.precision, epochs)
            _, seconds[i] = fit.train_network(training, search.run, search.images, candidates[i].genotype,
                                              search.directory, stage)
            tf.keras.backend.clear_session()
            accuracies[i] = read_log(search.directory / stage.name / "log.csv")[epochs - 1]["val_accuracy"]
        remaining = sorted(remaining, key=lambda i: -accuracies[i])[: len(remaining) // 2]
        console.say(f"finals  after {epochs} epoch{'s' * (epochs > 1)} each: " + ", ".join(
            f"candidate {i} {accuracies[i]:.2%}{'' if i in remaining else ' (out)'}"
            for i in sorted(accuracies, key=lambda i: -accuracies[i])))
    winner = candidates[remaining[0]]
    return ([winner, *(c for c in candidates if c is not winner)], remaining[0],
            sum(seconds.values()) - seconds.get(remaining[0], 0.0))


def promote_winner(directory: Path, winner: int) -> None:
    """Makes the training of the winner that of the result, and removes the states of the other trainings."""
    begun, result = directory / FINAL.format(winner), directory / "train"
    if begun.exists() and not result.exists():
        begun.rename(result)
    checkpoint_files.discard_states(directory / "finals")
