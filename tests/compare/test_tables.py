"""Files with the results of a comparison."""

import json

from bars_tf.compare import tables
from bars_tf.compare.differences import differences
from bars_tf.compare.random_networks import Draws


def test_files_of_a_comparison(rows, tmp_path):
    trained = rows("random", {"random_0": [0.5], "random_1": [0.6, 0.7], "random_2": [0.55], "random_3": [0.6]}) + rows(
        "searched", {"found": [0.79, 0.81]}, search_seconds=25.0) + rows(
        "reference", {"quicknet_1": [0.65], "quicknet_2": [0.7, 0.8]}, baseline="quicknet")
    scores = {"found": {f"random_{i}": {"accuracy": i / 10, "loss": 1.0} for i in range(4)}}
    tables.write(tmp_path, trained, 12, Draws([], 9, 8, 1, 700).to_dict(), scores,
                 {"dataset": "cifar10", "space": "bars", "budget": {"bops": 4e6}})
    text = (tmp_path / "compare.md").read_text()
    for words in ("networks on cifar10", "Space bars, budget 4,000,000 BOPs, 2 epochs", "10 of 12 trainings",
                  "| random, mean of 4 | 5 |", "| mean of random | +22.50 |", "| best of 3 random by validation |",
                  "| quicknet: quicknet_2, the best of 2 by validation images | +5.00 | +5.00 | - | 1 |",
                  "1.000% of 700", "| quicknet_2 | 2 |", "75.00% (70.00% to 80.00%)", "| random_1 | 2 |",
                  "| accuracy by the supernet of found | +0.33 | 0.", "| another training of 1 of them | - | - |",
                  "random_3, has a test accuracy of 60.00%", "](compare_ops.png)"):
        assert words in text, text
    found = json.loads((tmp_path / "compare.json").read_text())
    assert found["networks"] == trained and found["budget"] == {"bops": 4e6}
    assert found["differences"] == differences(trained, found["ranking"])
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in tables.FIGURES.values())


def test_without_random_networks(rows):
    trained = rows("reference", {"quicknet": [0.7]})
    text = tables.markdown({"dataset": "d", "space": "s", "budget": {}, "trainings": 1, "networks": trained,
                            "differences": [], "random": {"networks": 0, "draws": {}}, "ranking": None})
    assert "| quicknet | 1 |" in text and "## Random" not in text and "## Differences" not in text
