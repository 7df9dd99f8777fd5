"""`bin/train`, `bin/evaluate` and `bin/summary` on the result of a search."""

import json

import pytest
from helpers import TINY


def test_evaluate_and_summary_agree_with_the_run(finished, program_here):
    directory, _ = finished
    summary = json.loads((directory / "summary.json").read_text())
    done = program_here("evaluate", f"--model={directory / 'model.h5'}", *TINY, "--json")
    assert done.returncode == 2 and "--init_channels: not a flag of evaluate, but of search" in done.stderr
    done = program_here("evaluate", f"--model={directory / 'model.h5'}", "--eval_batch_size=64", "--max_steps=3",
                        "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["accuracy"] == pytest.approx(summary["test_accuracy"])
    assert {name: found[name] for name in ("recall", "balanced_accuracy", "class_names")}.items() <= summary.items()
    done = program_here("evaluate", f"--model={directory / 'model.h5'}", "--eval_batch_size=64", "--max_steps=3")
    least = min(value for value in summary["recall"] if value is not None)
    assert done.stdout.splitlines()[1].startswith(f"balanced accuracy {summary['balanced_accuracy']:.2%}, ")
    assert f"the least recall is {least:.2%}, of " in done.stdout
    done = program_here("summary", f"--genotype={directory / 'genotype.json'}", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cost"] == summary["cost"]
    assert json.loads(done.stdout)["deployment"] == summary["deployment"]
    assert "total" in program_here("summary", f"--genotype={directory / 'genotype.json'}").stdout


def test_train_retrains_a_genotype(finished, program_here, tmp_path):
    directory, _ = finished
    done = program_here("train", f"--genotype={directory / 'genotype.json'}", "--train_epochs=1", "--max_steps=2",
                   "--budget_ops=1k", f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 0, done.stderr
    assert " ops, above --budget_ops=1000" in done.stderr
    assert (tmp_path / "work" / "model.h5").exists()
