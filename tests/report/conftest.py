"""Fixtures: the files of a run, several runs, and a parser that reads a page as a browser would."""

import json
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_tables
from bars_tf.files import write_json
from bars_tf.report import html
from bars_tf.search.derivation import candidates as derive
from bars_tf.space import presets
from bars_tf.space.encoding import Choices, depth_grid

NAMES = ["<script>alert(1)</script>", "O'Brien \"&\" Söhne", "日本語 $x_1$", "T-shirt/top"]
SPACE = presets.BARS_SMALL.replace(num_nodes=2, layout="NNRN")
SHAPE = (28, 28, 1)


class Page(HTMLParser):
    """Elements, text and images of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.words, self.images, self.addresses = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        self.addresses += [values[k] for k in ("src", "href", "action", "data", "srcset") if k in values]
        if tag == "img":
            self.images.append(values)

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def placeholders(monkeypatch):
    """Pages get the same few bytes for every figure, which saves seconds."""
    monkeypatch.setattr(html, "png", lambda figure, dpi=160: b"PNG")


@pytest.fixture
def parse_page():
    return Page


@pytest.fixture
def run(tmp_path, rng):
    """A finished run's files, as the programs write them."""
    directory = tmp_path / "work"
    (directory / "search").mkdir(parents=True)
    (directory / "train").mkdir()
    (directory / "config.flags").write_text(
        f"# Settings of a run. `bin/search --flagfile={directory}/config.flags` resumes it.\n\n# Run\n--seed=0\n"
        "--dataset=own\n--space=bars_small\n--num_nodes=2\n--layout=NNRN\n--budget_ops=1000000\n--search_epochs=3\n"
        "--warmup_epochs=1\n--train_epochs=2\n")
    write_json(directory / "space.json", SPACE.to_dict())
    tables = cost_tables(SPACE, SHAPE, len(NAMES))
    depths = depth_grid(SPACE)
    logits = Choices(rng.normal(size=(2, 4)), np.where(depths < 0, -1e9, rng.normal(size=depths.shape)),
                     rng.normal(size=(len(SPACE.groups), 3, 3)))
    found = derive.candidates(logits, tables, Budget(ops=1e6), 3, seed=0)
    found[0].genotype.save(directory / "genotype.json", SHAPE, len(NAMES))
    write_json(directory / "candidates.json", {"candidates": [
        {"origin": c.origin, "accuracy": 0.5 - 0.01 * i, "cost": c.cost.to_dict()} for i, c in enumerate(found)]})
    (directory / "search" / "log.csv").write_text(
        "epoch,loss,accuracy,arch_accuracy,expected_ops,derived_ops,none_share,skip_share,bin_conv_3x3_share,"
        "micro_entropy,temperature\n1,2,0.3,,4e5,5e5,0.3,0.3,0.4,1,1\n2,1,0.5,0.4,6e5,7e5,0.2,0.2,0.6,0.5,0.5\n")
    probabilities = [np.exp(a) / np.exp(a).sum(-1, keepdims=True) for a in logits]
    (directory / "search" / "trajectory.jsonl").write_text("".join(
        json.dumps({"epoch": epoch, **{name: p.tolist() for name, p in zip(logits._fields, probabilities)}}) + "\n"
        for epoch in (1, 2)))
    (directory / "train" / "log.csv").write_text("epoch,loss,accuracy,val_loss,val_accuracy\n1,2,0.3,2,0.35\n")
    write_json(directory / "confusion.json", {"class_names": NAMES, "counts": np.diag([9, 8, 7, 6]).tolist()[:3] + [
        [0, 2, 0, 6]]})
    write_json(directory / "summary.json", {
        "space": "bars_small", "dataset": "own", "seed": 0, "budget": {"ops": 1e6}, "cost": found[0].cost.to_dict(),
        "test_accuracy": 0.94, "balanced_accuracy": 0.625, "test_images": 32, "search_seconds": 61.0,
        "versions": {"python": "3"}})
    return directory


@pytest.fixture
def several(run, tmp_path):
    """Runs below a directory: one finished, one stopped whose name is hostile, one damaged; and what is no run."""
    other = tmp_path / "more" / "<b>x\x1b[2J"
    shutil.copytree(run, other)
    (other / "summary.json").unlink()
    damaged = tmp_path / "more" / "damaged"
    shutil.copytree(run, damaged)
    (damaged / "summary.json").write_text('{"dataset": "<i>", "test_accuracy": 0.5, "cost": {"ops": "x"}}')
    (tmp_path / "empty").mkdir()
    return tmp_path
