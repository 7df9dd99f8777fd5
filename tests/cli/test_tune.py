"""`bin/tune` without its trainings: the work directory, time limits, workers and refused flags."""

import pytest

from bars_tf.cli import command_line, tune
from bars_tf.compare.settings import TuningSettings
from bars_tf.compare.tuning import hyperparameters
from bars_tf.cost.budget import Budget
from bars_tf.errors import InputError
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_SMALL

SPACE = BARS_SMALL.replace(init_channels=4, stem_channels=4, num_nodes=2, layout="NR", width_choices=(0.5, 1.0))
GENOTYPE = Genotype(SPACE, (1.0, 1.0), (1, 0), (((),) * 2,) * 2)
FLAGS = ("--flagfile=quickstart.flags", "--init_channels=4", "--stem_channels=4", "--num_nodes=2", "--layout=NR",
         "--width_choices=0.5,1", "--budget_ops=13k")


def parse(*flags):
    return command_line.parse("tune", [*FLAGS, *flags])


@pytest.fixture
def tuned(monkeypatch):
    """Replaces the trials and the training of the best one; returns the arguments of the latter."""
    given = {}

    def run_trials(task, seconds, is_worker):
        values = hyperparameters.trainings(task.images.train) if task.genotype else hyperparameters.architectures(SPACE)
        return {"best": {"values": values.values, "accuracy": 0.5}, "seconds": 3.0, "tuner": "random",
                "what": task.settings.what, "trials": 2, "failed": 1, "infeasible": 4}

    def finish(training, run, images, network, directory, strategy, budget, **found):
        given.update(training=training, images=images, network=network, budget=budget, found=found)

    monkeypatch.setattr(tune, "run_trials", run_trials)
    monkeypatch.setattr(tune, "finish", finish)
    return given


def test_the_best_settings_are_trained(tuned, tmp_path):
    GENOTYPE.save(tmp_path / "genotype.json")
    flags = ["--what=training", "--train_optimizer=sgd", f"--workdir={tmp_path / 'work'}"]
    tune.main(parse(*flags, f"--genotype={tmp_path / 'genotype.json'}"))
    assert tuned["training"].train_optimizer == "adam" and tuned["images"].settings.flip is False
    assert tuned["network"].widths == GENOTYPE.widths and tuned["budget"] == Budget()
    assert tuned["found"]["tuner"] == {"tuner": "random", "what": "training", "trials": 2, "failed": 1, "infeasible": 4}
    assert tuned["found"]["search_seconds"] == 3 and tuned["found"]["search_accuracy"] == 0.5
    assert Genotype.load(tmp_path / "work" / "genotype.json") == tuned["network"]
    assert "--what=training" in (tmp_path / "work" / "config.flags").read_text()
    Genotype(SPACE, (0.5, 1.0), (1, 0), (((),) * 2,) * 2).save(tmp_path / "other.json")
    with pytest.raises(InputError, match="tunes another genotype"):
        tune.main(parse(*flags, f"--genotype={tmp_path / 'other.json'}"))


def test_the_best_network_is_trained(tuned, tmp_path):
    settings = parse("--what=architecture", f"--workdir={tmp_path}")
    tune.main(settings)
    assert tuned["training"] == settings.training and tuned["images"].settings == settings.data
    assert tuned["network"].space == SPACE and tuned["budget"] == Budget(ops=13e3)


def test_as_long_as_a_search(tmp_path):
    (tmp_path / "summary.json").write_text('{"search_seconds": 90.5}')
    assert tune.time_limit(TuningSettings(as_long_as=str(tmp_path))) == 90.5
    assert tune.time_limit(TuningSettings(tune_minutes=2)) == 120 and tune.time_limit(TuningSettings()) is None
    (tmp_path / "summary.json").write_text('{"search_seconds": null}')
    for directory in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="--as_long_as"):
            tune.time_limit(TuningSettings(as_long_as=str(directory)))


def test_workers(monkeypatch):
    assert not tune.is_worker()
    for name, value in (("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "8000")):
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    with pytest.raises(InputError, match="KERASTUNER_TUNER_ID: is needed"):
        tune.is_worker()
    for name in ("chief", "tuner0"):
        monkeypatch.setenv("KERASTUNER_TUNER_ID", name)
        assert tune.is_worker() == (name == "tuner0")
    for port in ("abc", "0", "99999", "-1", " 8000", "8000.0", "８０００"):
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", port)
        with pytest.raises(InputError, match="KERASTUNER_ORACLE_PORT=.*: must be a port"):
            tune.is_worker()


@pytest.mark.parametrize("flags, words", [
    ([], "--what: is needed"),
    (["--what=training"], "--genotype: is needed with --what=training"),
    (["--what=architecture", "--tune_minutes=1", "--as_long_as=x"], "--as_long_as=.*x: takes the place of --tune_min"),
    (["--what=network"], "--what=network: must be one of training, architecture")], ids=str)
def test_refused_flags(flags, words):
    with pytest.raises(InputError, match=words):
        parse(*flags)
