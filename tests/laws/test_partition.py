"""The partition law: the weight step changes weights and statistics only, the arch step alphas only."""

import pytest
from small_spaces import TINY, TINY_NASB

from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.supernet import Supernet


@pytest.mark.parametrize("sampling, space", [
    ("softmax", TINY), ("gumbel", TINY), ("gumbel_hard", TINY), ("gumbel_hard", TINY_NASB.replace(num_paths=2))])
def test_partition_law(sampling, space, rng):
    supernet = Supernet(space, (8, 8, 1), 3)
    supernet.compile(tf.keras.optimizers.legacy.Adam(0.01), tf.keras.optimizers.legacy.Adam(0.01), sampling=sampling)
    assert {v.ref() for v in supernet.trainable_variables} == {
        v.ref() for v in [*supernet.weight_variables, *supernet.arch_variables]}
    images = tf.constant(rng.normal(size=(8, 8, 8, 1)), tf.float32)
    labels = tf.constant(rng.integers(0, 3, 8), tf.int32)
    statistics = [layer.moving for layer in supernet.layers_by_name.values() if hasattr(layer, "moving")]
    sets = {"weights": supernet.weight_variables, "alphas": supernet.arch_variables, "statistics": statistics}

    def changed(step):
        before = {name: [v.numpy() for v in variables] for name, variables in sets.items()}
        step(images, labels)
        return {name for name, variables in sets.items()
                if any((b != v.numpy()).any() for b, v in zip(before[name], variables))}

    assert changed(supernet.weight_step) == {"weights", "statistics"}
    assert changed(supernet.arch_step) == {"alphas"}
