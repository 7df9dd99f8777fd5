"""Checkpoints in directories with any name."""

import pytest

from bars_tf.legacy_keras import tf
from bars_tf.training.checkpoints import Checkpoints


@pytest.mark.parametrize("name", ["k[1]", "a*b", "what?", "{x}", "back\\slash", "\u5199\u771f\u3000 x", "100%"])
def test_a_directory_of_any_name_is_resumed(name, tmp_path):
    def opened(value):
        model = tf.keras.Sequential([tf.keras.layers.Dense(1, kernel_initializer=tf.constant_initializer(value))])
        model.build((None, 1))
        saved = Checkpoints(str(tmp_path / name), steps=5, save_minutes=10, model=model)
        saved.set_model(model)
        return model, saved, saved.restore()

    _, saved, first = opened(3.0)
    assert first == (0, 0)
    for epoch in range(4):  # the oldest go
        saved.on_epoch_end(epoch)
    model, _, first = opened(0.0)
    assert first == (4, 0) and float(model.weights[0]) == 3.0
    assert len(list((tmp_path / name).glob("ckpt-*.index"))) == 2
