"""Callbacks: the log of epochs, the best model, and the error at values that are not finite."""

import csv

import pytest

from bars_tf.legacy_keras import tf
from bars_tf.network.model_files import load_model
from bars_tf.training.callbacks import BestModel, CSVLogger, RaiseOnNaN


def test_rows_of_repeated_epochs_are_replaced(tmp_path):
    log = CSVLogger(str(tmp_path / "log.csv"))
    for epoch, values in ((0, {"loss": 1.0}), (1, {"loss": 2.0}), (2, {"loss": 3.0}), (1, {"loss": 4.0, "more": 5.0})):
        log.on_epoch_end(epoch, values)
    with open(tmp_path / "log.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [{"epoch": "1", "loss": "1", "more": ""},
                                              {"epoch": "2", "loss": "4", "more": "5"}]


@pytest.mark.parametrize("content", [b"\0\0", b"", b"epo", b"epoch,loss\n1,2\n\xff", b"epoch\n" + b"1" * 200_000,
                                     b"epoch,loss\nx,2\n", b"loss,epoch\n2\n", b"a\rb\n\r1"])
def test_a_damaged_log_is_begun_anew(tmp_path, content):
    (tmp_path / "log.csv").write_bytes(content)
    CSVLogger(str(tmp_path / "log.csv")).on_epoch_end(2, {"loss": 1.0})
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n3,1\n"


def test_the_best_model_is_kept(tmp_path):
    model = tf.keras.Sequential([tf.keras.layers.Input((1,)), tf.keras.layers.Dense(1)])
    best = BestModel(str(tmp_path / "best.h5"), model)
    for value, accuracy in ((1.0, 0.5), (2.0, 0.7), (3.0, 0.6)):
        model.layers[0].kernel.assign([[value]])
        best.on_epoch_end(0, {"val_accuracy": accuracy})
    assert load_model(str(tmp_path / "best.h5")).get_weights()[0].item() == 2.0 and float(best.best) == 0.7
    BestModel(str(tmp_path / "other.h5"), model, writes=False).on_epoch_end(0, {"val_accuracy": 0.9})
    assert not (tmp_path / "other.h5").exists()


def test_the_step_of_a_loss_that_is_not_finite():
    callback = RaiseOnNaN("training", "--train_lr", first=(1, 4))
    callback.on_epoch_begin(1)
    callback.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(FloatingPointError, match="training: loss is not finite at epoch 2, step 7; .*--train_lr may"):
        callback.on_train_batch_end(2, {"loss": float("nan")})
