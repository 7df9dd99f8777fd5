"""The tuner and its results, without real trainings."""

import json
import socket
import time
from types import SimpleNamespace

import pytest
from keras_tuner.src.distribute import oracle_client

from bars_tf.compare.settings import TuningSettings
from bars_tf.compare.tuning import tuner
from bars_tf.compare.tuning.tuner import Task, Tuner, run_trials
from bars_tf.config import RunSettings
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_of
from bars_tf.data.settings import DataSettings
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import Failure, InputError
from bars_tf.files import read_json
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_SMALL
from bars_tf.training.settings import TrainingSettings

SPACE = BARS_SMALL.replace(init_channels=4, stem_channels=4, num_nodes=2, layout="NR", width_choices=(0.5, 1.0))
GENOTYPE = Genotype(SPACE, (1.0, 1.0), (1, 0), (((),) * 2,) * 2)
IMAGES = ImageSplits(*[SimpleNamespace(image_shape=(28, 28, 1), num_classes=10, num_images=100)] * 3, DataSettings())


def task(directory, genotype=None, tuner="random", trials=3):
    return Task(TuningSettings(tuner=tuner, max_trials=trials, trial_epochs=2), genotype, SPACE, Budget(ops=13e3),
                TrainingSettings(train_epochs=10, train_warmup_epochs=1), RunSettings(str(directory)), IMAGES)


@pytest.fixture
def trained(monkeypatch):
    """Trainings that take no time, and their arguments."""
    given = []

    def train_network(training, run, images, genotype, directory):
        given.append((training, images, genotype))
        if len(given) == 2:
            raise FloatingPointError("the loss is not finite")
        (directory / "train").mkdir(parents=True)
        (directory / "train" / "log.csv").write_text(f"epoch,val_accuracy\n1,{0.1 * len(given)}\n")

    monkeypatch.setattr(tuner, "train_network", train_network)
    return given


def test_networks_of_a_space(trained, tmp_path, capsys):
    given = task(tmp_path)
    found = run_trials(given, None, is_worker=False)
    assert [training.train_epochs for training, *_ in trained] == [2, 2, 2]
    assert all(Budget(ops=13e3).allows(cost_of(genotype, given.tables)) for *_, genotype in trained)
    assert (found["trials"], found["failed"], found["best"]["accuracy"]) == (2, 1, pytest.approx(0.3))
    rows = read_json(tmp_path / "candidates.json")["candidates"]
    assert [Genotype.from_dict(row["genotype"]) for row in rows] == [trained[2][2], trained[0][2]]
    training, images, network = given.trial(found["best"]["values"], 10)
    assert (training, images, network) == (given.training, IMAGES, trained[2][2])
    assert "trial 1 failed: the loss is not finite" in capsys.readouterr().err
    assert run_trials(given, None, is_worker=False) == json.loads(json.dumps(found)) and len(trained) == 3


def test_settings_of_a_training(trained, tmp_path):
    given = task(tmp_path, GENOTYPE)
    found = run_trials(given, None, is_worker=False)
    lines = (tmp_path / "tuned.flags").read_text().splitlines()
    values = found["best"]["values"]
    assert f"--train_lr={values['train_lr']}" in lines and not any("epochs=2" in line for line in lines)
    training, images, network = given.trial(values, 10)
    assert training.train_lr == values["train_lr"] and images.settings.flip == values["flip"]
    assert network.space.input_quantizer == values["input_quantizer"]
    assert not (tmp_path / "candidates.json").exists()


def test_more_trials_after_the_end(trained, tmp_path, capsys):
    """The earlier trials count. Where another one leads, the training of the earlier best is removed."""
    first = run_trials(task(tmp_path, GENOTYPE), None, is_worker=False)
    for name in ("summary.json", "model.h5", "train/best_model.h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert run_trials(task(tmp_path, GENOTYPE), None, is_worker=False)["max_trials"] == 3 and len(trained) == 3
    assert (tmp_path / "summary.json").exists()
    more = run_trials(task(tmp_path, GENOTYPE, trials=5), None, is_worker=False)
    assert len(trained) == 5 and more["trials"] == 4 and more["best"]["accuracy"] == pytest.approx(0.5)
    assert [row for row in more["all"] if row in first["all"]] == first["all"]
    assert not any((tmp_path / name).exists() for name in ("summary.json", "model.h5", "train"))
    assert "another trial leads now" in capsys.readouterr().err
    assert f"--train_lr={more['best']['values']['train_lr']}" in (tmp_path / "tuned.flags").read_text().splitlines()


def test_a_full_disk_ends_the_trials(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tuner, "train_network", fails)
    with pytest.raises(Failure, match="trial 0: OSError: .*No space left"):
        run_trials(task(tmp_path), None, is_worker=False)


def test_a_worker_leaves_the_results_to_the_chief(trained, tmp_path):
    assert run_trials(task(tmp_path, trials=1), None, is_worker=True) is None
    assert len(trained) == 1 and not (tmp_path / "trials.json").exists()


def test_an_address_that_is_taken(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name, value in (("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", taken.getsockname()[1]), ("TUNER_ID", "chief")):
            monkeypatch.setenv(f"KERASTUNER_{name}", str(value))
        with pytest.raises(InputError, match="KERASTUNER_ORACLE_IP=127.0.0.1 KERASTUNER_ORACLE_PORT=.*cannot listen"):
            run_trials(task(tmp_path), None, is_worker=False)


def test_a_chief_that_has_ended(tmp_path, monkeypatch):
    """A worker waits for it up to an hour, then gRPC's error has seven lines."""
    monkeypatch.setattr(oracle_client, "TIMEOUT", 0.1)
    for name, value in (("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1"), ("TUNER_ID", "tuner0")):
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    with pytest.raises(Failure, match="KERASTUNER_ORACLE_PORT=1: the chief cannot be reached .*Deadline") as caught:
        run_trials(task(tmp_path), None, is_worker=True)
    assert "\n" not in str(caught.value)


def test_no_completed_trial(tmp_path, monkeypatch):
    def fails(*_):
        raise InputError("no")

    monkeypatch.setattr(tuner, "train_network", fails)
    with pytest.raises(Failure, match="none of 2 trials was completed"):
        run_trials(task(tmp_path, trials=2), None, is_worker=False)


def test_the_time_of_an_interrupted_trial_counts(tmp_path, monkeypatch):
    def interrupted(*_):
        time.sleep(0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr(Tuner, "_accuracy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_trials(task(tmp_path), None, is_worker=False)
    oracles = []
    monkeypatch.setattr(tuner, "conclude", lambda task, oracle, *_: oracles.append(oracle))
    monkeypatch.setattr(Tuner, "search", lambda *_, **__: None)
    run_trials(task(tmp_path), None, is_worker=False)
    assert oracles[0].seconds > 0.5
