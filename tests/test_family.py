"""Evolution over a supernet, and families of networks from one search."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from helpers import TINY, run_program
from test_laws import NASB, random_alphas

from bars_tf.cli.flag_values import parse_budgets
from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import Budget
from bars_tf.legacy_keras import tf
from bars_tf.report import run as run_files
from bars_tf.search import family
from bars_tf.search.derivation import evolution
from bars_tf.search.derivation.candidates import candidates
from bars_tf.search.derivation.growth import grow_to_budget
from bars_tf.search.derivation.optimum import most_probable
from bars_tf.search.derivation.reach import cost_range
from bars_tf.search.ranking import rank
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.encoding import Choices, one_hot, random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS, BARS_PAPER, BARS_SMALL

SPACE = BARS_PAPER.replace(init_channels=4, layout="NRN", num_nodes=2, width_choices=(0.5, 1.0), stem="cifar_2")


@pytest.mark.parametrize("space, budget", [
    (BARS_PAPER, Budget(bops=15e6)), (BARS_PAPER, Budget(ops=1.2e6, size_bytes=60e3)),
    (BARS_PAPER.replace(primitives=("skip", "bin_conv_3x3")), Budget(bops=15e6)), (NASB, Budget(bops=4e6))])
def test_candidates_and_their_children_keep_the_budget_and_use_it(space, budget, rng):
    tables, alphas = complexity.cost_tables(space, (32, 32, 3), 10), random_alphas(space, rng)
    parents = [c.genotype for c in candidates(alphas, tables, budget, 5, seed=0)]
    assert len({genotype.canonical() for genotype in parents}) == len(parents)
    seen = set(parents)
    for _ in range(50):
        child = evolution.child(parents, seen, tables, budget, rng)
        assert child.canonical() not in {genotype.canonical() for genotype in seen}
        seen.add(child)
    for genotype in seen:
        cost = complexity.cost(genotype, tables)
        assert budget.allows(cost) and budget.used(cost) >= complexity.NEARLY_ALL
        assert all(len(node) <= (space.max_inputs or 9) for topology in genotype.topologies for node in topology)
        if "none" not in space.primitives:
            assert all(genotype.primitive(cell.group, edge) in space.primitives
                       for cell in genotype.active_cells() for edge in space.edges)


def test_what_is_built_tells_networks_apart():
    conv, no = (((0, "bin_conv_3x3"),),), ((),)
    space = BARS.replace(layout="NNRNN")

    def built(depths, *topologies):
        return Genotype(space, (1.0, 1.0), depths, topologies).canonical()

    first = built((1, 0), conv, no, conv, no, no)
    assert first == built((2, 0), no, conv, conv, no, no) == built((2, 2), conv, no, conv, no, no)
    assert len({first, built((0, 1), no, no, conv, conv, no), built((1, 0), conv, no, no, no, no)}) == 3


@pytest.mark.parametrize("loss_of_a_small_one, grown", [(4.0, "normal_2"), (0.5, "normal_1")])
def test_a_network_grows_by_what_the_alphas_mind_least_for_what_it_uses(loss_of_a_small_one, grown):
    """A 3x3 convolution takes nine times what a 1x1 one does: it is worth as much where it loses nine times as much."""
    space = BARS.replace(layout="NNRNN")
    tables = complexity.cost_tables(space, (32, 32, 3), 10)
    none, one, three = (space.primitives.index(name) for name in ("none", "bin_conv_1x1", "bin_conv_3x3"))

    def network(*chosen):
        return Genotype(space, (0.5, 0.5), (2, 2), tuple(
            (((0, dict(chosen)[group]),),) if group in dict(chosen) else ((),) for group in space.groups))

    small, large = network(), network(("normal_2", "bin_conv_3x3"))
    alphas = Choices(*(20.0 * choices for choices in one_hot(small)))
    alphas.edges[space.groups.index("normal_1"), 0, one] = 20 - loss_of_a_small_one
    alphas.edges[space.groups.index("normal_2"), 0, three] = 20 - 9.0
    budget = Budget(bops=complexity.cost(large, tables).bops)
    assert most_probable(alphas, tables, budget) == small and alphas.edges[0, 0, none] == 20
    found = grow_to_budget(small, alphas, tables, budget)
    assert [group for group, topology in zip(space.groups, found.topologies) if any(topology)] == [grown]


def test_growth_ends_where_no_single_change_fits(rng):
    space, budget = BARS_PAPER, Budget(bops=15e6, size_bytes=70e3)
    tables = complexity.cost_tables(space, (32, 32, 3), 10)

    def use(genotype):
        return sum(budget.shares(complexity.cost(genotype, tables)).values())

    alphas = random_alphas(space, rng)
    small = most_probable(alphas, tables, Budget(bops=4e6))
    used = budget.used(complexity.cost(small, tables))
    assert used < complexity.NEARLY_ALL and grow_to_budget(small, alphas, tables, budget, used) == small
    grown = grow_to_budget(small, alphas, tables, budget)
    assert complexity.NEARLY_ALL <= budget.used(complexity.cost(grown, tables)) <= 1
    assert grow_to_budget(grown, alphas, tables, budget) == grown
    for stage, width in itertools.product(range(space.num_stages), space.width_choices):
        wider = dataclasses.replace(grown, widths=(*grown.widths[:stage], width, *grown.widths[stage + 1:]))
        assert use(wider) <= use(grown) or not budget.allows(complexity.cost(wider, tables))
    for at, (source, target) in itertools.product(range(len(space.groups)), space.edges):
        topology = [dict(node) for node in grown.topologies[at]]
        topology[target - 1][source] = "bin_conv_3x3"
        if len(topology[target - 1]) <= space.most_inputs:
            more = dataclasses.replace(grown, topologies=(*grown.topologies[:at], tuple(
                tuple(sorted(node.items())) for node in topology), *grown.topologies[at + 1:]))
            assert use(more) <= use(grown) or not budget.allows(complexity.cost(more, tables))


def test_a_network_grows_in_operations_where_memory_is_limited_too(rng):
    """Most changes leave memory as it is, which else would end the growth, or count as use of the budget."""
    space = BARS
    tables = complexity.cost_tables(space, (32, 32, 3), 10)
    ops, peak = (cost_range(tables, name) for name in ("ops", complexity.PEAK))
    budget = Budget(ops=0.4 * ops[0] + 0.6 * ops[1], peak_bytes=0.2 * peak[0] + 0.8 * peak[1])
    for _ in range(5):
        genotype = grow_to_budget(most_probable(random_alphas(space, rng), tables, budget),
                                 random_alphas(space, rng), tables, budget)
        cost = complexity.cost(genotype, tables)
        assert budget.allows(cost) and cost.ops >= complexity.NEARLY_ALL * budget.ops


def test_cells_without_edges_make_no_other_network():
    space = BARS_SMALL.replace(layout="NRN")
    dead, live = ((),) * space.num_nodes, (((0, "skip"),), *((),) * (space.num_nodes - 1))
    shallow, deep = (Genotype(space, (1.0, 1.0), depths, (dead, live, dead)) for depths in ((0, 0), (1, 1)))
    other = Genotype(space, (1.0, 1.0), (1, 1), (live, live, dead))
    assert shallow.canonical() == deep.canonical() != other.canonical()
    costs = [complexity.cost(g, complexity.cost_tables(space, (28, 28, 1), 10)) for g in (shallow, deep, other)]
    assert costs[0] == costs[1] != costs[2]


@pytest.mark.parametrize("changes", [
    {}, {"sharing": "all"}, {"num_nodes": 2, "max_inputs": 2, "primitives": ("skip", "bin_conv_3x3")},
    {"num_nodes": 3, "max_inputs": 1}], ids=str)
def test_a_shallow_network_grows_deeper(changes, rng):
    space = BARS_SMALL.replace(layout="NNRN", **changes)
    tables = complexity.cost_tables(space, (32, 32, 3), 10)
    _, largest = cost_range(tables, "bops")
    for _ in range(5):
        alphas = random_alphas(space, rng)
        alphas.depths[:, 0] += 20
        small = most_probable(alphas, tables, Budget(bops=0.8 * largest))
        assert small.depths == (0, 0)
        grown = grow_to_budget(small, alphas, tables, Budget(bops=0.8 * largest))
        assert 0.8 < complexity.cost(grown, tables).bops / (0.8 * largest) <= 1 and grown.depths != small.depths
        assert grow_to_budget(small, alphas, tables, Budget(bops=largest)) == small


@pytest.fixture(scope="module")
def batches():
    """Noise over three patterns."""
    rng = np.random.default_rng(0)
    labels, patterns = rng.integers(0, 3, 128), rng.normal(size=(3, 16, 16, 1))
    images = patterns[labels] + 3 * rng.normal(size=(128, 16, 16, 1))
    return [(tf.constant(images, tf.float32), tf.constant(labels, tf.int32))]


@pytest.fixture(scope="module")
def supernet(batches):
    """Trained a little, with random alphas."""
    tf.keras.utils.set_random_seed(0)
    supernet = Supernet(SPACE, (16, 16, 1), 3)
    supernet.compile(tf.keras.optimizers.legacy.Adam(1e-2), budget=Budget(ops=5.6e3))
    step = tf.function(lambda: (supernet.weight_step(*batches[0]), supernet.search_step.assign_add(1)), autograph=False)
    for _ in range(20):
        step()
    rng = np.random.default_rng(0)
    for variable, alphas in zip(supernet.arch_variables, random_alphas(SPACE, rng)):
        variable.assign(alphas)
    return supernet


def test_children_of_the_best_score_higher_than_random_networks_that_cost_as_much(rng):
    """By a score that needs no training, whose rounding depends on the machine: the share of skips."""
    space, budget = BARS_PAPER, Budget(bops=15e6)
    tables = complexity.cost_tables(space, (32, 32, 3), 10)

    def score(genotype):
        return np.mean([name == "skip" for topology in genotype.topologies for node in topology for _, name in node])

    at_random = []
    while len(at_random) < 30:
        genotype = grow_to_budget(random_genotype(space, rng), random_alphas(space, rng), tables, budget)
        if complexity.NEARLY_ALL <= budget.used(complexity.cost(genotype, tables)) <= 1:
            at_random.append(genotype)
    scored = list(at_random)
    for _ in range(60):
        scored.sort(key=score, reverse=True)
        scored.append(evolution.child(scored, set(scored), tables, budget, rng))
    children = [score(genotype) for genotype in scored if genotype not in at_random]
    assert np.mean(children) > np.mean([score(genotype) for genotype in at_random]) + 0.05


def test_evolution_goes_on_from_the_scores_that_are_known(supernet, batches):
    ranked = rank(supernet, batches, 3, num_children=30)
    assert [c.origin for c in ranked].count("evolved") == 30
    shown, known = [], {c.genotype: (c.accuracy, c.loss) for c in ranked}
    again = rank(supernet, None, 3, lambda *values: shown.append(values), known, num_children=30)
    assert again == ranked and [number for _, number, _ in shown] == list(range(1, len(ranked) + 1))


@pytest.mark.parametrize("num, seed", [(8, 0), *((0, seed) for seed in range(3))])  # 0: the most probable ones alone
def test_a_family_keeps_its_budgets_and_larger_ones_are_scored_no_worse(supernet, batches, num, seed):
    for variable, alphas in zip(supernet.arch_variables, random_alphas(SPACE, np.random.default_rng(seed))):
        variable.assign(alphas)
    limits = (4.0e3, 4.4e3, 4.8e3, 5.2e3, 5.6e3)
    found = family.derived(supernet, batches, {limit: Budget(ops=limit) for limit in limits}, num)
    members = [ranked[0] for ranked in found.values()]
    assert tuple(found) == limits
    for limit, member in zip(limits, members):
        assert 0.9 * limit <= member.cost.ops <= limit
    assert all(a.accuracy <= b.accuracy for a, b in zip(members, members[1:]))


@pytest.mark.long
def test_a_search_for_a_family(tmp_path):
    flags = [flag for flag in TINY if not flag.startswith("--budget")]
    work = tmp_path / "work"
    done = run_program("search", *flags, "--budgets=12k,13k,14k,15k,16k", f"--workdir={work}")
    assert done.returncode == 0, done.stderr
    listed = json.loads((work / "family.json").read_text())["members"]
    tables = complexity.cost_tables(Genotype.load(work / "genotype.json").space, (28, 28, 1), 10)
    assert len(list((work / "family").iterdir())) == len(listed) == 5
    for member, limit in zip(listed, (12e3, 13e3, 14e3, 15e3, 16e3)):
        genotype = Genotype.load(work / "family" / f"{limit:.0f}.json")
        assert genotype == Genotype.from_dict(member["genotype"])
        assert complexity.cost(genotype, tables).ops == member["cost"]["ops"] <= limit
    assert all(a["accuracy"] <= b["accuracy"] for a, b in zip(listed, listed[1:]))
    assert len(run_files.read(work).family) == 5
    assert Genotype.load(work / "genotype.json") == Genotype.from_dict(listed[-1]["genotype"])


def test_measures_of_budgets():
    for name, measure in (("", "ops"), ("bops:", "bops"), ("flops:", "flops"), ("params:", "params"),
                          ("size:", "size_bytes"), ("peak:", "peak_bytes")):
        assert parse_budgets(f"{name}50k,90k") == (measure, (50e3, 90e3))


@pytest.mark.parametrize("value", ["90k,50k", "50k,50k", "50k", "50k,12Q", "weight:1,2", "params:2k,1k", ""])
def test_malformed_budgets(value):
    with pytest.raises(ValueError, match="must be"):
        parse_budgets(value)


@pytest.mark.parametrize("value, words", [
    ("90k,50k", "must be two or more increasing"), ("1k,14k,9G", "within its reach: 14000"),
    ("1,2", "within its reach: none of these"), ("params:1,9G", "within its reach: none of these")])
def test_bad_budgets(tmp_path, value, words):
    done = run_program("search", *TINY, f"--budgets={value}", f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 2 and f"--budgets={value}: " in done.stderr and words in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
