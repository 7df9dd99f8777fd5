"""Golden values: numbers that a change of the code must not change without saying why.

`python tests/laws/test_goldens.py` writes them anew.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from bars_tf.compare import baselines, random_networks
from bars_tf.cost import deployment
from bars_tf.cost.budget import Budget
from bars_tf.cost.expected import expected_cost
from bars_tf.cost.measures import LATENCY, LIMITED
from bars_tf.cost.tables import cost_at, cost_of, cost_tables
from bars_tf.data import pipeline as data
from bars_tf.files import read_json
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.search.derivation.candidates import candidates
from bars_tf.search.derivation.optimum import cost_range
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.backbones import BACKBONES, nasb
from bars_tf.space.encoding import Choices, depth_grid, one_hot, random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS, BARS_PAPER, BARS_SMALL
from bars_tf.space.search_space import SearchSpace

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_suffix(".json")
# Name: space, images, classes.
PRESETS = {
    **{space.name: (space, (32, 32, 3), 10) for space in (BARS, BARS_PAPER)},
    "bars_small": (BARS_SMALL, (28, 28, 1), 10),
    **{f"nasb_{name}": (nasb(name), (224, 224, 3) if name in ("resnet18", "resnet34") else (32, 32, 3), 100)
       for name in BACKBONES},
}
# Small ones, whose networks are built and searched.
BUILT = {
    "bars": BARS.replace(init_channels=8, layout="NNRNRN", width_choices=(0.25, 0.375, 0.5, 0.625, 0.75, 1.0),
                         head_activation="none"),
    "bars_paper": BARS_PAPER.replace(init_channels=4, layout="NRN", num_nodes=3),
    "bars_small": BARS_SMALL.replace(init_channels=4, num_nodes=2),
    "nasb": nasb("resnet20", 0.25).replace(backbone=((4, 1, 2), (8, 2, 2), (8, 1, 2))),
}
# Smaller ones, that are searched and trained: tracing takes the time.
SEARCHED = {
    "bars": BUILT["bars"].replace(layout="NR"),
    "bars_paper": BUILT["bars_paper"].replace(layout="NR", num_nodes=2),
    "nasb": BUILT["nasb"].replace(backbone=((4, 1, 1), (8, 2, 1)), num_nodes=2, max_inputs=1,
                                  primitives=("none", "skip", "max_pool_3x3", "bin_conv_3x3")),
}
SHAPE, CLASSES, STEPS = (16, 16, 3), 10, 6


def measure_presets():
    """The range of every measure, the cost of five random networks and the mean cost of the uniform distribution."""
    found = {}
    for name, (space, shape, classes) in PRESETS.items():
        tables, rng = cost_tables(space, shape, classes), np.random.default_rng(0)
        networks = [random_genotype(space, rng) for _ in range(5)]
        uniform = [np.ones_like(p) for p in one_hot(networks[0])]
        uniform[1] = (depth_grid(space) >= 0).astype(float)
        uniform = [p / p.sum(-1, keepdims=True) for p in uniform]
        found[name] = {
            "range": {measure: list(map(float, cost_range(tables, measure)))
                      for measure in LIMITED if measure not in ("elementwise_ops", LATENCY)
                      and (not space.backbone or measure == "ops")},
            "uniform": [float(x) for x in expected_cost(tables, Choices(*uniform))],
            "random": [{"genotype": digest(g), "cost": cost_of(g, tables).to_dict(),
                        "deployment": deployment.deployment_cost(g, shape, classes)._asdict()} for g in networks]}
    return found


def measure_files():
    """The cost of every genotype in configs/."""
    found = {}
    for path in sorted((ROOT / "configs").rglob("*.json")):
        values = read_json(path)
        if values.get("format") != "bars_tf.genotype/1":
            continue
        genotype, made = Genotype.from_dict(values), values.get("made_for", {})
        shape, classes = tuple(made.get("input_shape", (32, 32, 3))), made.get("num_classes", 10)
        found[path.stem] = {
            "genotype": digest(genotype),
            "cost": cost_of(genotype, cost_tables(genotype.space, shape, classes)).to_dict(),
            "deployment": deployment.deployment_cost(genotype, shape, classes)._asdict()}
    return found


def measure_references():
    """What the hand-made networks take of a budget."""
    budget, found = Budget(bops=4e6, flops=2e5), {}
    for name, space in (("resnet", BARS), ("quicknet", BARS), ("bars_uniform", BARS),
                        ("widened", nasb("resnet20", 0.25))):
        given = budget if name != "widened" else Budget(bops=4e6)
        network = baselines.make(name, space.replace(stem="conv_3x3" if space.backbone else "conv_3x3_2"),
                                 given, (32, 32, 3), 10, 2 if name == "resnet" else 4)
        found[name] = cost_at(network, (32, 32, 3), 10).to_dict()
    return found


def measure_derivation():
    """Networks of random alphas within a budget, and random networks near it."""
    found = {}
    for name, space in BUILT.items():
        tables, rng = cost_tables(space, SHAPE, CLASSES), np.random.default_rng(1)
        choices = one_hot(random_genotype(space, rng))
        alphas = Choices(*(rng.normal(size=p.shape) for p in choices))
        alphas.depths[depth_grid(space) < 0] = -1e9
        low, high = cost_range(tables, "bops")
        budget = Budget(bops=low + 0.4 * (high - low))
        found[name] = {
            "derived": [digest(c.genotype) for c in candidates(alphas, tables, budget, 3, 0)],
            "drawn": [digest(g) for g in random_networks.draw(tables, budget, 3, 0).genotypes]}
    return found


def measure_networks():
    """Logits of five random networks of each space with random weights, in float64."""
    found = {}
    for name, space in BUILT.items():
        rng = np.random.default_rng(2)
        found[name] = []
        for _ in range(5):
            genotype = random_genotype(space, rng)
            model = build_network(genotype, SHAPE, CLASSES)
            with_random_weights(model)
            images = tf.constant(np.random.default_rng(3).normal(size=(2, *SHAPE)))
            found[name].append(model(images, training=False).numpy().tolist())
    return found


def measure_search():
    """Alphas, weights and losses after a short search and training, in float64."""
    found = {}
    for name, space in SEARCHED.items():
        tf.keras.utils.set_random_seed(0)
        supernet = Supernet(space, SHAPE, CLASSES)
        low, high = cost_range(supernet.tables, "bops")
        optimizers = (tf.keras.optimizers.legacy.Adam(1e-2), tf.keras.optimizers.legacy.Adam(3e-2, beta_1=0.5))
        supernet.compile(*optimizers, budget=Budget(bops=low + 0.5 * (high - low)),
                         uniform_share=0.5 if name == "bars" else 0.0)
        batches = random_batches()
        supernet.activate_arch(True)
        history = supernet.fit(tf.data.Dataset.zip((batches, batches)), verbose=0).history
        genotype = supernet.derive(batches, num_samples=2)
        tf.keras.utils.set_random_seed(1)
        model = build_network(genotype, SHAPE, CLASSES)
        with_random_weights(model)
        model.compile(tf.keras.optimizers.legacy.Adam(1e-2),
                      tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        losses = model.fit(batches, epochs=2, shuffle=False, verbose=0).history["loss"]
        found[name] = {
            "alphas": [v.numpy().tolist() for v in supernet.arch_variables],
            "weights": sorted(norms(supernet.weight_variables)), "genotype": digest(genotype),
            "history": {key: float(values[0]) for key, values in sorted(history.items())},
            "trained": {layer.name: norms(layer.weights) for layer in model.layers if layer.weights},
            "losses": list(map(float, losses))}
    return found


def random_batches():
    rng = np.random.default_rng(4)
    images, labels = rng.normal(size=(STEPS * 8, *SHAPE)), rng.integers(CLASSES, size=STEPS * 8)
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(8, drop_remainder=True)


def with_random_weights(model):
    """Values that depend on the name and shape of each variable alone."""
    for layer in model.layers:
        rng = np.random.default_rng(list(layer.name.encode()))
        layer.set_weights([rng.uniform(0.5, 1.5, w.shape) if "variance" in v.name else rng.normal(size=w.shape)
                           for v, w in zip(layer.weights, layer.get_weights())])


def norms(variables):
    return [float(np.linalg.norm(v.numpy())) for v in variables]


def measure_data():
    """What two epochs of augmented batches hold."""
    train, _ = data.load("fashion_mnist_small")
    first = next(iter(data.batches(train, 32, training=True, seed=5, start_epoch=1)))
    return {"split": train.split(3, (0.9, 0.1))[1].sha256, "labels": first[1].numpy().tolist(),
            "mean": float(tf.reduce_mean(first[0])), "corner": float(first[0][0, 14, 14, 0])}


def digest(genotype):
    """A short name of the network; the fields of the space that have their default say nothing."""
    values = genotype.to_dict()
    values["space"] = {key: value for key, value in values["space"].items()
                       if value != SearchSpace().to_dict().get(key)}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


MEASURED = {function.__name__.removeprefix("measure_"): function for function in (
    measure_presets, measure_files, measure_references, measure_derivation, measure_networks, measure_search,
    measure_data)}


@pytest.fixture
def float64():
    """In float32 rounding flips signs, and differs by processor."""
    tf.keras.backend.set_floatx("float64")
    yield
    tf.keras.backend.set_floatx("float32")


@pytest.mark.parametrize("name", MEASURED)
def test_goldens(name, float64):
    assert_equal(MEASURED[name](), json.loads(FILE.read_text())[name], name)


def assert_equal(found, golden, where):
    """Equal, numbers to nine digits."""
    if isinstance(golden, dict):
        assert set(golden) == set(found), where
        for key, value in golden.items():
            assert_equal(found[key], value, f"{where}/{key}")
    elif isinstance(golden, list):
        assert len(found) == len(golden), where
        for i, value in enumerate(golden):
            assert_equal(found[i], value, f"{where}/{i}")
    elif isinstance(golden, float):
        np.testing.assert_allclose(found, golden, rtol=1e-6, atol=1e-9, err_msg=where)
    else:
        assert found == golden, where


if __name__ == "__main__":
    tf.keras.backend.set_floatx("float64")
    FILE.write_text(json.dumps({name: function() for name, function in MEASURED.items()}, indent=1) + "\n")
