"""Scores of networks by the supernet of a search."""

import json
import shutil

import pytest

from bars_tf.cli import workdir
from bars_tf.cli.inputs import search_of
from bars_tf.compare.supernet_scores import score
from bars_tf.data.splits import load_splits
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype


def test_networks_are_scored_by_the_supernet_of_a_search(finished, tmp_path, rng):
    run, _ = finished
    settings = workdir.settings_of(run / "config.flags", "search", "--deterministic=false")

    def scores(directory):
        return score(directory, lambda: search_of(settings, load_splits(settings.data), directory), networks, file)

    candidate = json.loads((run / "candidates.json").read_text())["candidates"][0]
    genotype = Genotype.from_dict(candidate["genotype"])
    networks = {"best": genotype, **{str(i): random_genotype(genotype.space, rng) for i in range(3)}}
    file = tmp_path / "scores.json"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    found = scores(run)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert found["best"] == {key: pytest.approx(candidate[key], rel=1e-5) for key in ("accuracy", "loss")}
    assert len({values["loss"] for values in found.values()}) == 4
    # Scores in the file are not computed again, except for another search.
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(copy / "search" / "checkpoints")
    assert scores(copy) == found
    (copy / "candidates.json").write_text("{}")
    with pytest.raises(ValueError, match="has no checkpoint"):
        scores(copy)
