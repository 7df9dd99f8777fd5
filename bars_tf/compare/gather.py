"""Gathers the networks of a comparison: searched ones, random ones and hand-made ones.

All of them are read, drawn and checked before any training. The same settings give the same networks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bars_tf import console
from bars_tf.compare import baselines, random_networks
from bars_tf.compare.contenders import RANDOM, REFERENCE, SEARCHED, Contender
from bars_tf.compare.settings import ComparisonSettings
from bars_tf.cost.budget import NEARLY_ALL, Budget
from bars_tf.cost.tables import CostTables, cost_at, cost_of, cost_tables
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import InputError, blame
from bars_tf.report.run_files import CANDIDATES, GENOTYPE, SUMMARY, number, read_object
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace


def gather(settings: ComparisonSettings, space: SearchSpace, budget: Budget, images: ImageSplits, seed: int
           ) -> tuple[list[Contender], dict[str, Any]]:
    """Reads the searched networks, draws the random ones by `seed`, and makes the hand-made ones.

    These have stem and quantizers of `space`, from which the random ones are.

    Returns: the networks, and how the random ones were drawn (`random_networks.Draws.to_dict`; empty without any).
    Raises: InputError if a file is broken, a network exceeds the budget, or the space has too few networks near it.
    """
    shape = images.image_shape, images.num_classes
    searched = _once([_searched(path, budget, shape, settings.train_seeds) for path in settings.genotypes])
    hand_made = [contender for name in settings.references for contender in _hand_made(name, space, budget, shape)]
    for contender in searched:
        if (used := budget.used(contender.cost)) < NEARLY_ALL:
            console.say(f"compare: warning: --genotypes: {contender.name} uses {used:.0%} of the budget, less than "
                        f"{NEARLY_ALL:.0%}: the comparison is not at equal cost")
    randoms, draws = _random(settings, budget, cost_tables(space, *shape, budget.device), seed)
    return _uniquely_named([*hand_made, *randoms, *searched]), draws


def _searched(path: str, budget: Budget, shape: tuple[tuple[int, int, int], int], num_seeds: int) -> Contender:
    directory = Path(path)
    with blame("genotypes", path):
        genotype = Genotype.load(directory / GENOTYPE if directory.is_dir() else directory)
        genotype.space.check_image(shape[0])
        found = cost_at(genotype, *shape, budget.device)
        for name, limit in budget.exceeded(found).items():
            raise ValueError(f"its {name} are {getattr(found, name):,.0f}, above the budget of {limit:,.0f}")
        files = [file for name in (SUMMARY, CANDIDATES) if (file := directory / name).exists()]
        seconds = next(filter(None, (number(read_object(file).get("search_seconds")) for file in files)), None)
    return Contender(directory.name.removesuffix(".json"), SEARCHED, genotype, found, num_seeds, seconds, path)


def _once(searched: Sequence[Contender]) -> list[Contender]:
    """The same networks; one that equals an earlier one is not trained again, and counts once."""
    found: dict[Genotype, Contender] = {}
    for contender in searched:
        if (first := found.setdefault(contender.network.canonical(), contender)) is not contender:
            console.say(f"compare: note: --genotypes: {contender.path} is the same network as {first.path}: it "
                        "counts once")
    return [c if found[c.network.canonical()] is c else c._replace(num_seeds=0) for c in searched]


def _hand_made(name: str, space: SearchSpace, budget: Budget, shape: tuple[tuple[int, int, int], int]
               ) -> list[Contender]:
    """The baseline of a name in every depth; with one training each, the best one gets more."""
    def contender(label: str, network: Genotype, variant: Contender | None = None) -> Contender:
        return Contender(label, REFERENCE, network, cost_at(network, *shape, budget.device), 1, baseline=name,
                         variant=variant)

    with blame("references", name):
        found = baselines.depths(name, space, budget, *shape)
    return [contender(label, network, longer and contender(f"{label}_{longer.space.stem}", longer))
            for label, (network, longer) in found.items()]


def _random(settings: ComparisonSettings, budget: Budget, tables: CostTables, seed: int
            ) -> tuple[list[Contender], dict[str, Any]]:
    if not (count := settings.num_random):
        return [], {}
    try:
        drawn = random_networks.draw(tables, budget, count, seed)
    except ValueError as error:
        raise InputError.of("num_random", count, f"{error}; another budget or fewer random networks are needed"
                            ) from None
    how = "on a random walk" if drawn.is_walk else (
        f"from {drawn.topologies:,} topologies, {drawn.acceptance:.3%} of them accepted; {drawn.given_up} of "
        f"{drawn.reachable} combinations of widths and depths given up")
    console.say(f"compare  {count} random networks at {random_networks.LOWEST:.0%} to 100% of the budget drawn {how}")
    return [Contender(f"random_{i}", RANDOM, genotype, cost_of(genotype, tables), 1 + (i < settings.repeat_random))
            for i, genotype in enumerate(drawn.genotypes)], drawn.to_dict()


def _uniquely_named(contenders: Sequence[Contender]) -> list[Contender]:
    """Appends a number to names that an earlier network has."""
    named: dict[str, Contender] = {}
    for contender in contenders:
        name, suffix = contender.name, 2
        while name in named:
            name, suffix = f"{contender.name}_{suffix}", suffix + 1
        named[name] = contender._replace(name=name)
    return list(named.values())
