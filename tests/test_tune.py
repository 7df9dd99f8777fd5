"""bin/tune: trials by keras-tuner under the same budget and training as a search; resumed, shared, refused."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT, refused

from bars_tf.cli.settings import Settings
from bars_tf.compare.tuning import hyperparameters as tuning_spaces
from bars_tf.compare.tuning import oracles
from bars_tf.compare.tuning import tuner as tune
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_SMALL

SPACE = BARS_SMALL.replace(init_channels=4, stem_channels=4, num_nodes=2, layout="NR", width_choices=(0.5, 1.0))
TINY = ("--flagfile=quickstart.flags", "--init_channels=4", "--stem_channels=4", "--num_nodes=2", "--layout=NR",
        "--width_choices=0.5,1", "--budget_ops=13k", "--max_steps=2", "--train_epochs=2", "--train_warmup_epochs=0",
        "--trial_epochs=1", "--eval_batch_size=64")


@pytest.mark.parametrize("name", ["random", "bayesian", "hyperband"])
def test_every_proposal_keeps_the_budget(name, tmp_path):
    """Against a made-up accuracy: trials stay within the budget, what is over it is counted, the best one is found."""
    tables, budget = cost_tables(SPACE, (28, 28, 1), 10), Budget(ops=13e3)

    def cost(values):
        return cost_of(tuning_spaces.genotype_of(SPACE, values), tables)

    oracle = oracles.make(name, tuning_spaces.architectures(SPACE), trials=8, epochs=3, seed=0, seconds=None,
                          feasible=lambda values: budget.allows(cost(values)))
    oracle._set_project_dir(str(tmp_path), name)
    oracle.verbose = 0
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        assert budget.allows(cost(trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {oracles.OBJECTIVE: cost(trial.hyperparameters.values).ops / 13e3})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert len(oracle.trials) == 8 and oracle.infeasible > 0
    assert oracle.get_best_trials()[0].score <= 1
    state = oracle.get_state()
    oracle.set_state(json.loads(json.dumps(state)))
    assert oracle.infeasible == state["infeasible"] and oracle.seconds >= state["seconds"]


def test_time_ends_the_search(tmp_path):
    oracle = oracles.make("random", tuning_spaces.architectures(SPACE), trials=9, epochs=1, seed=0, seconds=1e-9,
                          feasible=lambda values: True)
    oracle._set_project_dir(str(tmp_path), "x")
    assert oracle.create_trial("tuner0").status == "STOPPED"


def test_the_time_of_an_interrupted_trial_counts(tmp_path, monkeypatch):
    def interrupted(*_):
        time.sleep(0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr(tune.Tuner, "_accuracy", interrupted)
    task = tune.Task(Settings.of(workdir=str(tmp_path)), None, None, None)

    def tuner():
        return tune.Tuner(task, oracles.make("random", tuning_spaces.architectures(SPACE), trials=9, epochs=1, seed=0,
                                             seconds=None, feasible=lambda values: True))

    with pytest.raises(KeyboardInterrupt):
        tuner().search(verbose=0)
    assert tuner().oracle.seconds > 0.5


def test_values_are_the_genotype(rng):
    for _ in range(20):
        from bars_tf.space.encoding import random_genotype

        genotype = random_genotype(SPACE, rng)
        values = {f"width_{s}": w for s, w in enumerate(genotype.widths)}
        values |= {f"depth_{s}": d for s, d in enumerate(genotype.depths)}
        values |= {f"{g}/{i}-{j}": genotype.primitive(g, (i, j)) for g in SPACE.groups for i, j in SPACE.edges}
        assert tuning_spaces.genotype_of(SPACE, values) == genotype
        assert set(values) == set(tuning_spaces.architectures(SPACE).values)


def test_as_long_as_a_search(tmp_path):
    (tmp_path / "summary.json").write_text('{"search_seconds": 90.5}')
    limit = functools.partial(Settings.of, what="architecture")
    assert tune.time_limit(limit(as_long_as=str(tmp_path))) == 90.5
    assert tune.time_limit(limit(tune_minutes=2)) == 120 and tune.time_limit(limit()) is None
    (tmp_path / "summary.json").write_text('{"search_seconds": null}')
    for directory in (tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match="--as_long_as"):
            tune.time_limit(limit(as_long_as=str(directory)))


def test_settings_scale_to_the_epochs():
    genotype = Genotype(SPACE, (1.0, 1.0), (1, 0), (((),) * 2,) * 2)
    config, network = tuning_spaces.with_settings(
        Settings.of(train_epochs=20), genotype, {"warmup_share": 0.25, "train_lr": 0.5, "dropout": 0.1,
                                                  "input_quantizer": "approx_sign"}, 8)
    assert (config.train_epochs, config.train_warmup_epochs, config.train_lr, config.dropout) == (8, 2, 0.5, 0.1)
    assert network.space.input_quantizer == "approx_sign" and network.widths == genotype.widths
    for epochs in range(10, 100):  # an architecture's final training is that of the flags
        given = Settings.of(train_epochs=epochs)
        assert tuning_spaces.with_settings(given, genotype, {}, epochs)[0] == given
    long = Settings.of(train_epochs=3, train_warmup_epochs=2)
    assert [tuning_spaces.with_settings(long, genotype, {}, epochs)[0].train_warmup_epochs for epochs in (1, 2, 3)] == [
        0, 1, 2]


def test_widths_of_a_file_may_be_whole_numbers():
    space = SPACE.replace(width_choices=(0.5, 1))
    assert tuning_spaces.architectures(space).values["width_0"] == 0.5


def start(*flags, **environment):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen([ROOT / "bin" / "tune", *map(str, flags)], text=True, stderr=subprocess.PIPE,
                            stdout=subprocess.PIPE, env={**os.environ, "PATH": path, **environment})


@pytest.mark.long
def test_architectures_after_a_kill(program, tmp_path):
    """Killed in its second trial, the same command goes on with that one."""
    flags = [*TINY, "--what=architecture", "--tuner=random", "--max_trials=3", f"--workdir={tmp_path / 'work'}"]
    process = start(*flags)
    for line in process.stderr:
        if line.startswith("tune  trial 1"):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    done = program("tune", *flags)
    assert done.returncode == 0, done.stderr
    assert "trial 0" not in done.stderr and "trial 1  epochs" in done.stderr and "Traceback" not in done.stderr
    summary = json.loads((tmp_path / "work" / "summary.json").read_text())
    assert summary["tuner"]["trials"] == 3 and summary["tuner"]["tuner"] == "random"
    assert summary["cost"]["ops"] <= 13e3 and summary["search_seconds"] > 0
    rows = json.loads((tmp_path / "work" / "candidates.json").read_text())["candidates"]
    scores = [row["accuracy"] for row in rows]
    assert len(rows) == 3 and scores == sorted(scores, reverse=True)
    assert Genotype.load(tmp_path / "work" / "genotype.json") == Genotype.from_dict(rows[0]["genotype"])
    assert "3 trials" in (tmp_path / "work" / "report.html").read_text()


@pytest.mark.long
def test_training_settings(program, tmp_path):
    Genotype(SPACE, (1.0, 1.0), (1, 0), (((),) * 2,) * 2).save(tmp_path / "genotype.json")
    done = program("tune", *TINY, "--what=training", "--tuner=random", "--max_trials=2",
                   f"--genotype={tmp_path / 'genotype.json'}", f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 0, done.stderr
    tuned = (tmp_path / "work" / "tuned.flags").read_text()
    assert "--train_lr=" in tuned
    found = json.loads((tmp_path / "work" / "trials.json").read_text())
    assert f"--train_lr={found['best']['values']['train_lr']}" in tuned.splitlines()
    assert "in its trial" in done.stdout


def test_bad_flags(program, tmp_path):
    refused(program("tune", *TINY), ["--what"])
    refused(program("tune", *TINY, "--what=training", f"--workdir={tmp_path / 'a'}"), ["--genotype", "--what=training"])
    refused(program("tune", *TINY, "--what=architecture", "--tune_minutes=1", f"--as_long_as={tmp_path}"),
            ["--as_long_as", "--tune_minutes"])
    refused(program("tune", *TINY, "--what=network"), ["--what=network", "architecture"])
    refused(program("tune", *TINY, "--what=architecture", f"--workdir={tmp_path / 'c'}",
                    KERASTUNER_ORACLE_IP="127.0.0.1"), ["KERASTUNER_TUNER_ID"])


@pytest.mark.long
def test_two_workers(tmp_path):
    """A chief and two workers share the trials of one work directory."""
    flags = [*TINY, "--what=architecture", "--tuner=bayesian", "--max_trials=6", f"--workdir={tmp_path / 'work'}"]
    where = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(20000 + os.getpid() % 20000)}
    processes = {name: start(*flags, KERASTUNER_TUNER_ID=name, **where) for name in ("chief", "tuner0", "tuner1")}
    outputs = {name: process.communicate(timeout=900) for name, process in processes.items()}
    assert all(process.returncode == 0 for process in processes.values()), outputs
    assert "validation accuracy" not in outputs["chief"][1].partition("tune  6 trials")[0]
    assert all("validation accuracy" in outputs[name][1] for name in ("tuner0", "tuner1"))
    assert json.loads((tmp_path / "work" / "trials.json").read_text())["trials"] == 6
    assert "test accuracy" in outputs["chief"][0]
