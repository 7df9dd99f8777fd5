"""Networks that tests of several rooms hand over: small spaces, random weights, and a finished run."""

import contextlib
import subprocess
import sys

import numpy as np
from helpers import ROOT

from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.export.zoo_module import Facts
from bars_tf.files import write_json
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.network.model_files import save_model
from bars_tf.space import presets
from bars_tf.space.genotype import Genotype
from bars_tf.space.primitives import PRIMITIVES

SHAPE, CLASSES = (28, 28, 1), 10
SMALL = presets.BARS_SMALL.replace(layout="NRN", init_channels=8, stem_channels=4, num_nodes=2,
                                   width_choices=(0.5, 1.0))
# Reductions between all ratios of widths, every primitive, nodes without inputs.
WIDE = presets.BARS_PAPER.replace(layout="NRNR", init_channels=8, stem_channels=4, num_nodes=3, stem="cifar_2",
                                 primitives=tuple(PRIMITIVES))
# A group of two convolutions, one with a stride, one with other channels alone; enough channels that no two random
# kernels are equal.
NASB = presets.NASB.replace(init_channels=32, num_nodes=2, backbone=((32, 1, 2), (64, 2, 1), (96, 1, 1)))


@contextlib.contextmanager
def channels_first():
    """A context in which Keras is set to images with their channels first."""
    tf.keras.backend.set_image_data_format("channels_first")
    try:
        yield
    finally:
        tf.keras.backend.set_image_data_format("channels_last")


def random_model(genotype, rng, shape=SHAPE, classes=CLASSES):
    """The network of a genotype with random weights, statistics of batch norm and signs of its scales included."""
    model = build_network(genotype, shape, classes)
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 1.5, size) * rng.choice([-1, 1], size), rng.normal(size=size),
                               rng.uniform(0, 3, size), rng.uniform(0.5, 2, size)])
    return model


def facts_of(genotype, class_names=tuple("abcdefghij"), dataset="some_set"):
    costs = cost_of(genotype, cost_tables(genotype.space, SHAPE, len(class_names)))
    return Facts(dataset, SHAPE, class_names, (0.3,), (0.2,), 0.5, 100, costs)


def write_run(directory):
    """A work directory as `bin/search` leaves it, of a network that is small and untrained."""
    (directory / "search").mkdir(parents=True)
    genotype = Genotype(SMALL, (1.0, 1.0), (1, 1), tuple(
        (((0, "bin_conv_3x3"),), ((0, "skip"), (1, "bin_conv_3x3"))) for _ in SMALL.groups))
    genotype.save(directory / "genotype.json", SHAPE, CLASSES)
    save_model(random_model(genotype, np.random.default_rng(3)), directory / "model.h5")
    (directory / "config.flags").write_text(f"--workdir={directory}\n--dataset=fashion_mnist_small\n--seed=0\n")
    write_json(directory / "summary.json", {"test_accuracy": 0.125, "test_images": 2000, "search_seconds": 1.0,
                                            "cost": facts_of(genotype).cost.to_dict()})


def ruff(path):
    """The complaints about a Python file, by the rules of this project."""
    return subprocess.run([sys.executable, "-m", "ruff", "check", "--config", ROOT / "ruff.toml", path],
                          capture_output=True, text=True).stdout.replace("All checks passed!\n", "")


def transfer_weights(supernet, genotype: Genotype, model: tf.keras.Model) -> None:
    """Copies a `Supernet`'s weights into the network of a genotype as `build_network` makes it: of each block of
    channels the prefix that its width keeps."""
    for layer in model.layers:
        if not layer.weights:
            continue
        given = supernet.layers_by_name[layer.name]
        source, target = (None if channels is None else channels.slots(
            1.0 if channels.stage is None else genotype.widths[channels.stage])
            for channels in supernet.channels_by_name[layer.name])
        values = [v.numpy() for v in given.weights]
        if layer.name.endswith("_bn"):  # gamma and beta, mean and variance are rows of two variables
            values = [row for value in values for row in value]
        values = values if target is None else [v[..., target] for v in values]
        if source is not None:  # a kernel [..., inputs, outputs]
            values[0] = values[0][..., source, :]
        layer.set_weights(values)
