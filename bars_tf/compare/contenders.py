"""What a comparison compares: searched networks, random ones and references, each with its training seeds.

All is checked and drawn here, before any training; the same flags give the same contenders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from bars_tf import console as screen
from bars_tf.cli.settings import budget_flag
from bars_tf.compare import baselines as references
from bars_tf.compare import random_networks
from bars_tf.compare import rank_correlation as ranking
from bars_tf.compare.baselines import Network
from bars_tf.config import SearchConfig
from bars_tf.cost import overhead
from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import NEARLY_ALL, Budget, Cost
from bars_tf.data.pipeline import ImageData
from bars_tf.errors import InputError, as_text, blame
from bars_tf.files import read_json
from bars_tf.space.genotype import Genotype

SEARCHED, RANDOM, REFERENCE = "searched", "random", "reference"


class Contender(NamedTuple):
    """A network that is trained with `num_seeds` seeds; where a search is known to have found it, `search_seconds`, and
    its work directory where its supernet can score the random networks."""

    name: str
    kind: str
    network: Network
    cost: Cost
    num_seeds: int
    search_seconds: float | None = None
    search: Path | None = None


def check(config: SearchConfig) -> None:
    """Refuses a comparison without a budget, or with nothing to compare with."""
    if not config.has_budget:
        raise InputError("--budget_bops: is needed, or another budget: networks are compared at equal cost")
    if not config.num_random and not config.references:
        raise InputError.of("num_random", 0, "leaves nothing to compare with: ask for random networks or --references")


def gather(config: SearchConfig, train: ImageData) -> tuple[list[Contender], dict[str, Any]]:
    """All contenders, and how the random ones were found.

    Raises: InputError where a file is broken, or a network does not keep the budget.
    """
    tables = complexity.cost_tables(config.search_space, train.image_shape, train.num_classes)
    budget = overhead.budget(config.budget, config.max_overhead, tables)
    searched = [_searched(config, budget, train, path) for path in config.genotypes]
    hand_made = [_reference(config, budget, train, name) for name in config.references]
    randoms, found = _randoms(config, budget, tables)
    return _with_own_names([*hand_made, *randoms, *searched]), found


def _searched(config: SearchConfig, budget: Budget, train: ImageData, path: str) -> Contender:
    directory = Path(path)
    file = directory / "genotype.json" if directory.is_dir() else directory
    with blame("genotypes", path):
        genotype = Genotype.load(file)
        genotype.space.check_image(train.image_shape)
        cost = references.cost(genotype, train.image_shape, train.num_classes)
        for name, limit in budget.passed(cost).items():
            raise ValueError(f"its {name} are {getattr(cost, name):,.0f}, above the budget of {limit:,.0f}")
        seconds = _search_seconds(directory)
    _warn_of_little(budget, f"--genotypes={path}", cost)
    search = directory if directory.is_dir() else None
    if search:
        try:
            ranking.settings(search, config)
        except (ValueError, OSError) as error:
            screen.say(f"compare: note: --genotypes={path}: {error}: its supernet will not score the random networks")
            search = None
    name = directory.name.removesuffix(".json")
    return Contender(name, SEARCHED, genotype, cost, config.train_seeds, seconds, search)


def _search_seconds(directory: Path) -> float | None:
    for file in (directory / "summary.json", directory / "candidates.json"):
        values = read_json(file, 2**28) if file.exists() else {}
        seconds = values.get("search_seconds") if isinstance(values, dict) else None
        if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds > 0:
            return seconds
    return None


def _reference(config: SearchConfig, budget: Budget, train: ImageData, name: str) -> Contender:
    with blame("references", name):
        network = references.make(name, config.search_space, budget, train.image_shape, train.num_classes)
    cost = references.cost(network, train.image_shape, train.num_classes)
    _warn_of_little(budget, f"--references={name}", cost)
    return Contender(name, REFERENCE, network, cost, config.train_seeds)


def _warn_of_little(budget: Budget, what: str, cost: Cost) -> None:
    if (used := budget.used(cost)) < NEARLY_ALL:
        screen.say(f"compare: warning: {what}: takes {used:.0%} of the budget, less than {NEARLY_ALL:.0%}: no equal "
                   "cost")


def _randoms(config: SearchConfig, budget: Budget, tables: complexity.CostTables
             ) -> tuple[list[Contender], dict[str, Any]]:
    if not config.num_random:
        return [], {}
    try:
        drawn = random_networks.draw(tables, budget, config.num_random, config.seed)
    except ValueError as error:
        given = {budget_flag(name): limit for name, limit in config.budget.limits().items()}
        flag, limit = next(iter(given.items()), ("max_overhead", config.max_overhead))
        raise InputError.of(flag, as_text(limit), f"{error}; choose another budget or fewer --num_random") from None
    count = len(drawn.genotypes)
    screen.say(f"compare  {count} random networks at {random_networks.LOWEST:.0%} of the budget at least: "
               f"{drawn.topologies:,} topologies drawn, {drawn.acceptance:.3%} accepted; {drawn.given_up} of "
               f"{drawn.reachable} widths and depths given up" if not drawn.is_walk else
               f"compare  {count} random networks along a walk at {random_networks.LOWEST:.0%} of the budget at least")
    return [Contender(f"random_{i}", RANDOM, genotype, complexity.cost(genotype, tables),
                      2 if i < config.repeat_random else 1) for i, genotype in enumerate(drawn.genotypes)
            ], drawn.to_dict()


def _with_own_names(contenders: list[Contender]) -> list[Contender]:
    """A number behind a name that stands before it already."""
    named: list[Contender] = []
    for contender in contenders:
        names, name, number = {c.name for c in named}, contender.name, 2
        while name in names:
            name, number = f"{contender.name}_{number}", number + 1
        named.append(contender._replace(name=name))
    return named
