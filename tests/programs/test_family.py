"""`bin/search --budgets`: a family of networks from one search."""

import json

import pytest
from helpers import TINY, run_program

from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.report import run as runs
from bars_tf.space.genotype import Genotype


@pytest.mark.long
def test_a_search_for_a_family(tmp_path):
    flags = [flag for flag in TINY if not flag.startswith("--budget")]
    work = tmp_path / "work"
    done = run_program("search", *flags, "--budgets=12k,13k,14k,15k,16k", f"--workdir={work}")
    assert done.returncode == 0, done.stderr
    listed = json.loads((work / "family.json").read_text())["members"]
    tables = cost_tables(Genotype.load(work / "genotype.json").space, (28, 28, 1), 10)
    assert len(list((work / "family").iterdir())) == len(listed) == 5
    for member, limit in zip(listed, (12e3, 13e3, 14e3, 15e3, 16e3)):
        genotype = Genotype.load(work / "family" / f"{limit:.0f}.json")
        assert genotype == Genotype.from_dict(member["genotype"])
        assert cost_of(genotype, tables).ops == member["cost"]["ops"] <= limit
    assert all(a["accuracy"] <= b["accuracy"] for a, b in zip(listed, listed[1:]))
    assert len(runs.read(work).family) == 5
    assert Genotype.load(work / "genotype.json") == Genotype.from_dict(listed[-1]["genotype"])


@pytest.mark.parametrize("value, words", [
    ("90k,50k", "must be two or more increasing"), ("1k,14k,9G", "within its reach: 14000"),
    ("1,2", "within its reach: none of these"), ("params:1,9G", "within its reach: none of these")])
def test_bad_budgets(program_here, tmp_path, value, words):
    done = program_here("search", *TINY, f"--budgets={value}", f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 2 and "--budgets=" in done.stderr and words in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
