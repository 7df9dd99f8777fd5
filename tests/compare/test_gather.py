"""Gathering the networks of a comparison: names, kinds, seeds, and refused input."""

from types import SimpleNamespace

import pytest

from bars_tf.compare import baselines
from bars_tf.compare.gather import gather
from bars_tf.compare.settings import ComparisonSettings
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_at
from bars_tf.errors import InputError
from bars_tf.space.presets import BARS_SMALL

SPACE = BARS_SMALL.replace(init_channels=8, stem_channels=8, num_nodes=2, layout="NR")
IMAGES = SimpleNamespace(image_shape=(28, 28, 1), num_classes=10)


def gathered(budget=400e3, space=SPACE, **settings):
    return gather(ComparisonSettings(**settings), space, Budget(bops=budget), IMAGES, 0)


def test_networks_of_each_kind(tmp_path, capsys):
    small, directory = baselines.uniform_of(SPACE, (4, 4), 1), tmp_path / "quicknet_1"
    small.save(tmp_path / "small.json")
    small.save(directory / "genotype.json")
    (directory / "candidates.json").write_text('{"search_seconds": 12.5, "candidates": []}')
    found, draws = gathered(genotypes=(str(tmp_path / "small.json"), str(directory)), num_random=3, repeat_random=1,
                          references=("quicknet",), train_seeds=4)
    hand_made = [c for c in found if c.kind == "reference"]
    assert [(c.name, c.num_seeds, c.baseline) for c in hand_made] == [
        (f"quicknet_{blocks}", 1, "quicknet") for blocks in range(1, 7)]
    # The second file has the same network: it counts once.
    assert [(c.name, c.kind, c.num_seeds) for c in found[6:]] == [
        ("random_0", "random", 2), ("random_1", "random", 1), ("random_2", "random", 1),
        ("small", "searched", 4), ("quicknet_1_2", "searched", 0)]
    assert found[-1].network == small and found[-1].search_seconds == 12.5 and found[-1].path == str(directory)
    assert found[-2].search_seconds is None and found[0].path is None
    assert all(c.cost == cost_at(c.network, (28, 28, 1), 10) for c in found)
    assert draws["topologies"] > 0 and gathered(num_random=3)[1] == draws
    printed = capsys.readouterr().err
    assert f"note: --genotypes: {directory} is the same network as {tmp_path / 'small.json'}: it counts once" in printed
    assert "warning: --genotypes: small uses" in printed and "compare  3 random networks at 95% to 100%" in printed


@pytest.mark.parametrize("settings, words", [
    ({"num_random": 6, "budget": 1e9}, "--num_random=6: random draws find 0 of 6 .*bops from"),
    ({"references": ("quicknet",), "num_random": 0, "budget": 1e3}, "--references=quicknet: its smallest"),
    ({"genotypes": ("{path}/none.json",)}, "--genotypes=.*none.json: No such file"),
    ({"genotypes": ("{path}/broken.json",)}, "--genotypes=.*broken.json: .*not JSON"),
    ({"genotypes": ("{path}/large.json",)}, "--genotypes=.*large.json: its bops are .*, above the budget of 400,000"),
    ({"genotypes": ("{path}/strides.json",)}, "--genotypes=.*strides.json: .*one pixel"),
], ids=str)
def test_refused_networks(settings, words, tmp_path):
    (tmp_path / "broken.json").write_text("{")
    baselines.uniform_of(SPACE.replace(layout="NRN"), (8, 8)).save(tmp_path / "large.json")
    deep = SPACE.replace(stem="imagenet_4", layout="RRRR", width_choices=(1.0,))
    baselines.uniform_of(deep, (1,) * deep.num_stages).save(tmp_path / "strides.json")
    if "genotypes" in settings:
        settings = settings | {"genotypes": tuple(path.format(path=tmp_path) for path in settings["genotypes"])}
    with pytest.raises(InputError, match=words):
        gathered(**settings)


def test_random_networks_are_the_same_for_a_seed():
    found, _ = gathered(num_random=2)
    more, _ = gathered(num_random=4)
    assert [c.network for c in more[:2]] == [c.network for c in found]
    assert all(0.95 <= Budget(bops=400e3).used(c.cost) <= 1 for c in more)


@pytest.mark.parametrize("settings, words", [
    ({"num_random": 0}, "--num_random=0: leaves nothing to compare with"),
    ({"num_random": 2, "repeat_random": 3}, "--repeat_random=3: must be at most --num_random=2")])
def test_refused_settings(settings, words):
    with pytest.raises(InputError, match=words):
        ComparisonSettings(**settings)
