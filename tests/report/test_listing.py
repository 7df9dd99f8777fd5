"""Runs below a directory: as a table, as JSON and on a page."""

import json

import pytest
from helpers import refused

from bars_tf.report import listing


def test_runs_below_a_directory(several, program, parse_page):
    done = program("runs", several, "--sort=-test_accuracy", "--json", f"--page={several / 'page.html'}")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["state"] for row in rows].count("stopped") == 1 and len(rows) == 3
    assert rows[0]["run"] == "work" and rows[0]["test_accuracy"] == 0.94 and rows[0]["budget"] == {"ops": 1e6}
    assert rows[1]["test_accuracy"] is None
    page = parse_page(several / "page.html")
    assert "<b>x" in page.text and "b" not in page.tags and "94.00%" in page.text and page.images
    table = program("runs", several, cwd="/")
    assert "\x1b" not in table.stdout and "<b>x?[2J" in table.stdout and "94.00%" in table.stdout


def test_order(several):
    entries = listing.find(several)
    by_budget = [entry.values["test_accuracy"] for entry in listing.ordered(entries, "test_accuracy")]
    assert by_budget == [0.94, None, None]
    with pytest.raises(ValueError, match="must be one of run, state, .*test_accuracy"):
        listing.ordered(entries, "budget")


def test_bad_listings_get_one_line(several, program_here):
    refused(program_here("runs", several / "empty"), ["--directory", "no run"])
    refused(program_here("runs", several / "none"), ["--directory", "No such file"])
    refused(program_here("runs", "a", "b"), ["b: unexpected"])
    refused(program_here("runs", several, "--sort=speed"), ["--sort=speed", "test_accuracy"])
