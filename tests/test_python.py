"""The Python interface as the README shows it."""

import numpy as np

import bars_tf as bars


def test_search_in_python(tmp_path):
    from bars_tf.legacy_keras import tf

    space = bars.spaces.BARS.replace(init_channels=4, layout="NR", num_nodes=2, stem="cifar_2")
    train, test = bars.data.load("fashion_mnist_small")
    train, arch_data = train.split(seed=0, fractions=(0.1, 0.05))
    supernet = bars.Supernet(space, input_shape=train.image_shape, num_classes=train.num_classes)
    supernet.compile(weight_optimizer=tf.keras.optimizers.Adam(1e-2), arch_optimizer=tf.keras.optimizers.Adam(1e-2),
                     budget=bars.Budget(ops=200e3))
    seen = []
    history = supernet.fit(
        bars.data.bilevel(train, batch_size=64), epochs=2, verbose=0,
        callbacks=[tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs)),
                   tf.keras.callbacks.TensorBoard(str(tmp_path / "logs"))])
    assert len(seen) == 2 and {"loss", "arch_loss", "expected_ops"} <= set(history.history)
    assert list((tmp_path / "logs").rglob("events*"))
    batches = bars.data.batches(arch_data, 64)
    assert len(supernet.evaluate(batches, verbose=0)) == 2

    before = [np.array(w) for w in supernet.get_weights()]
    genotype = supernet.derive(batches, num_samples=2)
    assert all((a == b).all() for a, b in zip(before, supernet.get_weights()))  # scoring leaves no trace
    model = bars.build_network(genotype, input_shape=train.image_shape, num_classes=train.num_classes)
    model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    model.fit(bars.data.batches(train, 64, training=True), epochs=1, verbose=0)
    assert len(model.evaluate(bars.data.batches(test, 256).take(1), verbose=0)) == 2

    supernet.save_weights(tmp_path / "weights.h5")
    other = bars.Supernet(space, input_shape=train.image_shape, num_classes=train.num_classes, seed=1)
    other.load_weights(tmp_path / "weights.h5")
    assert all((a == b).all() for a, b in zip(supernet.alphas(), other.alphas()))


def test_importing_does_not_load_tensorflow():
    import subprocess
    import sys

    code = ("import sys, bars_tf; bars_tf.spaces, bars_tf.Genotype, bars_tf.Budget; "
            "assert 'tensorflow' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)
