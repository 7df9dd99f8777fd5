"""Oracles with a budget and a time limit."""

import json

import pytest

from bars_tf.compare.settings import TUNERS
from bars_tf.compare.tuning.hyperparameters import architectures, genotype_of
from bars_tf.compare.tuning.oracles import OBJECTIVE, make_oracle
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.errors import InputError
from bars_tf.space.presets import BARS_SMALL

SPACE = BARS_SMALL.replace(init_channels=4, stem_channels=4, num_nodes=2, layout="NR", width_choices=(0.5, 1.0))


TABLES, BUDGET = cost_tables(SPACE, (28, 28, 1), 10), Budget(ops=13e3)


def cost_with(values):
    return cost_of(genotype_of(SPACE, values), TABLES)


def opened(directory, tuner, trials, hyperparameters=None, feasible=lambda values: BUDGET.allows(cost_with(values))):
    oracle = make_oracle(tuner, hyperparameters or architectures(SPACE), trials=trials, seed=0, seconds=None,
                         feasible=feasible)
    oracle._set_project_dir(str(directory), "tune")
    oracle.verbose = 0
    return oracle


def run(oracle):
    """Runs all trials, with the OPs as accuracy."""
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        assert oracle.feasible(trial.hyperparameters.values)
        oracle.update_trial(trial.trial_id, {OBJECTIVE: cost_with(trial.hyperparameters.values).ops / 13e3})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


@pytest.mark.parametrize("tuner", TUNERS)
@pytest.mark.filterwarnings("ignore:The optimal value found")
def test_every_proposal_keeps_the_budget_and_more_trials_can_follow(tuner, tmp_path):
    """Trials keep the budget, proposals over it are counted, the best trial is found; also where paths have [1]."""
    oracle = opened(tmp_path / "k[1]", tuner, 5)
    run(oracle)
    assert len(oracle.trials) == 5 and oracle.infeasible > 0
    assert oracle.get_best_trials()[0].score <= 1
    again = opened(tmp_path / "k[1]", tuner, 6)
    again.reload()
    assert again.infeasible == oracle.infeasible and again.seconds > 0
    assert {name: trial.get_state() for name, trial in again.trials.items()} == {
        name: trial.get_state() for name, trial in oracle.trials.items()}
    run(again)
    assert len(again.trials) == 6


@pytest.mark.parametrize("tuner", TUNERS)
def test_fewer_networks_than_trials(tuner, tmp_path, monkeypatch):
    """The networks within the budget are tried once each, then the tuner stops."""
    monkeypatch.setattr("bars_tf.compare.tuning.oracles.MAX_DRAWS", 100)
    tiny = SPACE.replace(num_nodes=1, layout="R", width_choices=(0.5, 1.0), primitives=("skip", "bin_conv_3x3"))
    tables = cost_tables(tiny, (28, 28, 1), 10)
    oracle = opened(tmp_path, tuner, 12, architectures(tiny), lambda values: cost_of(
        genotype_of(tiny, values), tables).ops < 1e4)
    seen = []
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        seen.append(genotype_of(tiny, trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {OBJECTIVE: 0.5})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert len(set(seen)) == 4


@pytest.mark.parametrize("file", ["oracle.json", "trial_0/trial.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 10**5])
def test_a_damaged_file_is_named(file, content, tmp_path):
    run(opened(tmp_path, "random", 2))
    (tmp_path / "tune" / file).write_bytes(content)
    with pytest.raises(InputError, match=f"--workdir={tmp_path}: .*{file} is damaged .*: put .* remove") as caught:
        opened(tmp_path, "random", 2).reload()
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    run(opened(tmp_path, "random", 2))
    (tmp_path / "tune" / "oracle.json").unlink()
    with pytest.raises(InputError, match="oracle.json is missing"):
        opened(tmp_path, "random", 2).reload()


# Files that can be read and do not fit each other: after a copy by hand, or of another version or package.
ODD = {"seconds in words": ("oracle.json", {"seconds": "x"}, "could not convert"),
       "a trial that is not there": ("oracle.json", {"end_order": ["7"]}, "names trial 7, whose trial.json is missing"),
       "no hyperparameters": ("oracle.json", {"hyperparameters": {"space": [], "values": {}}}, "are others"),
       "no score": ("trial_0/trial.json", {"score": None}, "its score None is no number"),
       "a score in words": ("trial_0/trial.json", {"score": "high"}, "its score 'high' is no number"),
       "no values": ("trial_0/trial.json", {"hyperparameters": {"space": [], "values": {}}}, "are others")}


@pytest.mark.parametrize("what", ODD)
def test_files_that_do_not_fit_are_named(what, tmp_path):
    file, changes, words = ODD[what]
    run(opened(tmp_path, "random", 2))
    path = tmp_path / "tune" / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(InputError, match=f"{file} is damaged .*{words}.*: put") as caught:
        opened(tmp_path, "random", 2).reload()
    assert "\n" not in str(caught.value)


def test_time_ends_the_search(tmp_path):
    oracle = make_oracle("random", architectures(SPACE), trials=9, seed=0, seconds=1e-9,
                         feasible=lambda values: True)
    oracle._set_project_dir(str(tmp_path), "x")
    assert oracle.create_trial("tuner0").status == "STOPPED"
