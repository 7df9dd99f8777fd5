"""The Python interface as the pages show it."""

import importlib.util

import numpy as np
from pages import PAGES, blocks, name_of
from PIL import Image

import bars_tf as bars
from bars_tf.legacy_keras import tf
from bars_tf.search.supernet import scoring


def test_search_in_python(tmp_path):
    space = bars.spaces.BARS_PAPER.replace(init_channels=4, layout="NR", num_nodes=2, stem="cifar_2")
    train, _ = bars.data.load("fashion_mnist_small")
    train, arch_data = train.split(seed=0, fractions=(0.1, 0.05))
    supernet = bars.Supernet(space, input_shape=train.image_shape, num_classes=train.num_classes)
    supernet.compile(weight_optimizer=tf.keras.optimizers.Adam(1e-2), arch_optimizer=tf.keras.optimizers.Adam(1e-2),
                     budget=bars.Budget(ops=200e3))
    seen = []
    history = supernet.fit(
        bars.data.bilevel(train, batch_size=64), epochs=2, verbose=0,
        callbacks=[tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs)),
                   tf.keras.callbacks.TensorBoard(str(tmp_path / "logs")),
                   tf.keras.callbacks.LearningRateScheduler(lambda epoch: 1e-2 / (1 + epoch))])
    assert float(supernet.weight_optimizer.learning_rate) == np.float32(5e-3)
    assert len(seen) == 2 and {"loss", "arch_loss", "expected_ops"} <= set(history.history)
    assert list((tmp_path / "logs").rglob("events*"))
    batches = bars.data.batches(arch_data, 64)
    assert len(supernet.evaluate(batches, verbose=0)) == 2

    before = [np.array(w) for w in supernet.get_weights()]
    genotype = supernet.derive(batches, num_samples=2)
    assert all((a == b).all() for a, b in zip(before, supernet.get_weights()))  # scoring leaves no trace
    assert bars.Budget(ops=200e3).allows(bars.complexity.cost_of(genotype, supernet.tables))
    columns = batches.map(lambda images, labels: (images, labels[:, None]))  # as Keras's own data sets have them
    assert scoring.Scorer(supernet).score(genotype, columns) == scoring.Scorer(supernet).score(genotype, batches)

    supernet.save_weights(tmp_path / "weights.h5")
    other = bars.Supernet(space, input_shape=train.image_shape, num_classes=train.num_classes, seed=1)
    other.load_weights(tmp_path / "weights.h5")
    assert all((a == b).all() for a, b in zip(supernet.alphas(), other.alphas()))


# Pages that run in seconds: less data, a smaller space, fewer epochs.
SMALLER = {'bars.load("cifar10", data_dir=None)': "small", 'bars.load("fashion_mnist_small")': "small",
           "bars.BARS_SMALL": "bars.BARS_SMALL.replace(init_channels=4, layout='N', num_nodes=1)",
           'stem="cifar_2"': 'stem="cifar_2", layout="NR", num_nodes=2',
           "ops=550e3": "ops=200e3", "epochs=10": "epochs=1", "epochs=12": "epochs=1", "epochs=2": "epochs=1",
           "warmup_epochs=4": "warmup_epochs=0", "max_trials=10": "max_trials=2"}


def test_the_snippets_of_the_pages(tmp_path, monkeypatch):
    snippets = [(name_of(page), block) for page in PAGES for block in blocks(page, "python")]
    # The others use the names of the guide to Python.
    snippets.sort(key=lambda snippet: ["README.md", "docs/guide/python.md", snippet[0]].index(snippet[0]))
    assert {name for name, _ in snippets} >= {"README.md", "docs/guide/python.md", "docs/guide/export.md"}
    for before in SMALLER:
        assert any(before in block for _, block in snippets), before
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / "my_images" / name).mkdir(parents=True)
        for i in range(5):
            Image.fromarray(np.full((70, 60, 3), 9 * i, np.uint8)).save(tmp_path / "my_images" / name / f"{i}.png")
    small = [part.split(0, (fraction,))[0] for part, fraction in zip(bars.load("fashion_mnist_small"), (0.05, 0.05))]
    images, labels = np.zeros((6, 8, 8, 1), np.uint8), np.arange(6) % 2
    names = {"small": small, "images": {"train": images, "test": images}, "labels": {"train": labels, "test": labels}}
    for name, block in snippets:
        for before, after in SMALLER.items():
            block = block.replace(before, after)
        if "conversion" not in block or importlib.util.find_spec("larq_compute_engine"):
            exec(compile(block, name, "exec"), names)
    assert names["figure"].axes and names["tuner"].oracle.get_best_trials()[0].score < 0
    assert names["limits"].ops and names["genotype"] == bars.Genotype.load(tmp_path / "genotype.json")
