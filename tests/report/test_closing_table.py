"""The table at the end of a run."""

import json

from bars_tf.cost.deployment import LABELS
from bars_tf.report import run as runs
from bars_tf.report.closing_table import print_closing_table


def test_the_table_has_the_network_its_results_and_its_files(run, capsys):
    values = json.loads((run / "summary.json").read_text()) | {
        "search_accuracy": 0.5, "train_seconds": None, "deployment": dict.fromkeys(LABELS, 1000),
        "backbone": {"cost": {"ops": 2e6}, "test_accuracy": 0.9}, "overhead": {"ops": 0.125}}
    found = runs.read(run)
    print_closing_table(values, found.genotype, run, {"BARS_SETUP_SECONDS": "90", "BARS_DOWNLOAD_SECONDS": "30"})
    table, following = capsys.readouterr().out.split("\nnext:\n")
    rows = dict(line.split("  ", 1) for line in table.splitlines())
    shown = {name: text.strip() for name, text in rows.items()}
    assert shown["stage 0"].startswith("width ") and shown["OPs"].endswith(" of 1,000,000")
    assert shown["search accuracy"] == "50.00% by the supernet, on validation images"
    assert shown["test accuracy"] == "94.00% on 32 images"
    assert shown["balanced accuracy"] == "62.50%, the mean over the classes"
    assert shown["overhead"] == "12.5% OPs" and shown["backbone's accuracy"] == "90.00%, by the same training"
    assert shown["times"] == "search 1 min 1 s, set-up 1 min 30 s (of it downloads 30 s)"
    assert shown["files"].endswith("genotype.json, summary.json, candidates.json")
    assert following == f"  bin/report --workdir={run}\n"
    (run / "model.h5").touch()
    print_closing_table(values, found.genotype, run, {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-3:]] == [
        "bin/report", "bin/evaluate", "bin/export"]
