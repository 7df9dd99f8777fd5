"""Oracles with a budget and a time limit."""

import json

import pytest

from bars_tf.compare.settings import TUNERS
from bars_tf.compare.tuning.hyperparameters import architectures, genotype_of
from bars_tf.compare.tuning.oracles import OBJECTIVE, make_oracle
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.space.presets import BARS_SMALL

SPACE = BARS_SMALL.replace(init_channels=4, stem_channels=4, num_nodes=2, layout="NR", width_choices=(0.5, 1.0))


@pytest.mark.parametrize("tuner", TUNERS)
@pytest.mark.filterwarnings("ignore:The optimal value found")
def test_every_proposal_keeps_the_budget(tuner, tmp_path):
    """With the OPs as accuracy: trials keep the budget, proposals over it are counted, the best trial is found."""
    tables, budget = cost_tables(SPACE, (28, 28, 1), 10), Budget(ops=13e3)

    def cost_with(values):
        return cost_of(genotype_of(SPACE, values), tables)

    oracle = make_oracle(tuner, architectures(SPACE), trials=8, seed=0, seconds=None,
                         feasible=lambda values: budget.allows(cost_with(values)))
    oracle._set_project_dir(str(tmp_path), tuner)
    oracle.verbose = 0
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        assert budget.allows(cost_with(trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {OBJECTIVE: cost_with(trial.hyperparameters.values).ops / 13e3})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert len(oracle.trials) == 8 and oracle.infeasible > 0
    assert oracle.get_best_trials()[0].score <= 1
    state = oracle.get_state()
    oracle.set_state(json.loads(json.dumps(state)))
    assert oracle.infeasible == state["infeasible"] and oracle.seconds >= state["seconds"]


def test_time_ends_the_search(tmp_path):
    oracle = make_oracle("random", architectures(SPACE), trials=9, seed=0, seconds=1e-9,
                         feasible=lambda values: True)
    oracle._set_project_dir(str(tmp_path), "x")
    assert oracle.create_trial("tuner0").status == "STOPPED"
