"""What deployment pays beside the counted cost: by hand, against the counted cost, and against the Keras model."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT
from small_spaces import CLASSES, NASB, ODD_SHAPE, SMALL, TINY_NASB, TWO_PATHS, sampled_genotypes

from bars_tf.cli import summary
from bars_tf.cli.command_line import parse
from bars_tf.compare.baselines import quicknet_of
from bars_tf.cost import deployment
from bars_tf.cost.tables import cost_at, cost_of, cost_tables
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.keras_network import build_network
from bars_tf.network.layer_list import layers_of
from bars_tf.space.backbones import nasb
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype, uniform
from bars_tf.space.presets import BARS, BARS_PAPER, BARS_SMALL

SPACES = {"bars": SMALL, "nasb": NASB, "two_paths": TWO_PATHS,
          "full_width": BARS.replace(layout="NNRNR", init_channels=16, num_nodes=2),
          "three_nodes": BARS_PAPER.replace(layout="NR", num_nodes=3, init_channels=8, width_choices=(0.5, 1.0)),
          "one_node": BARS_PAPER.replace(layout="NR", num_nodes=1, stem="resnet",
                                                primitives=("none", "bin_conv_1x1"))}


def test_a_cell_by_hand():
    """4x4 pixels: a stem to 16 channels, process to 8, one convolution with its shortcut, and a node without inputs."""
    space = BARS_PAPER.replace(layout="N", num_nodes=2, init_channels=8, stem="conv_3x3", width_choices=(1.0,))
    genotype = Genotype(space, (1.0,), (1,), ((((0, "bin_conv_3x3"),), ()),))
    path, node = 4 * 4 * 16, 4 * 4 * 8
    assert deployment.bops(layers_of(genotype, (4, 4, 1), 3)) == (16 + 9 * 8) * node
    found = deployment.deployment_cost(genotype, (4, 4, 1), 3)
    assert found.packed_bops == (32 + 9 * 32) * node
    signs, relus, batch_norms, additions, pooling = path + node, 2 * node, 2 * node, node + path, path
    assert found.elementwise_ops == signs + relus + batch_norms + additions + pooling
    # At the concatenation: the main path, both nodes, and what is made of them.
    assert found.peak_activation_bytes == 4 * (path + 2 * node + path)


def test_batch_norm_and_relu_need_no_memory_of_their_own():
    """A stem of two convolutions, to 16 and to 24 channels, a ReLU behind each, and the head."""
    network = uniform(BARS_PAPER.replace(layout="N", init_channels=24, stem_channels=16, num_nodes=1,
                                         full_width_nodes=True, width_choices=(1.0,),
                                         head_activation="relu"))
    assert deployment.deployment_cost(network, (4, 4, 1), 3) == (0, 4 * 4 * (16 + 24 + 24), 4 * 4 * 4 * (16 + 24))


@pytest.mark.parametrize("space", [
    BARS_PAPER.replace(init_channels=64, width_choices=(0.5, 1.0), layout="NRNR", num_nodes=3),
    nasb("resnet18_cifar"), nasb("resnet20", 2.0).replace(num_paths=2)], ids=["bars", "resnet18", "two_paths"])
def test_what_fills_its_words_is_packed_as_it_is(space, rng):
    tables = cost_tables(space, (32, 32, 3), 10)
    for genotype in sampled_genotypes(space, rng, 10):
        assert deployment.deployment_cost(genotype, (32, 32, 3), 10).packed_bops == cost_of(genotype, tables).bops


@pytest.mark.parametrize("space", [*SPACES.values(), BARS_PAPER, TINY_NASB], ids=[*SPACES, "paper", "tiny_nasb"])
def test_unpacked_it_is_the_counted_cost(space, rng):
    tables = cost_tables(space, ODD_SHAPE, CLASSES)
    without_edges = Genotype(space, (space.width_choices[0],) * space.num_stages,
                             tuple(space.depths(s)[-1] for s in range(space.num_stages)),
                             (((),) * space.num_nodes,) * len(space.groups))
    for genotype in (without_edges, *sampled_genotypes(space, rng, 40)):
        layers, cost = layers_of(genotype, ODD_SHAPE, CLASSES), cost_of(genotype, tables)
        assert deployment.bops(layers) == cost.bops <= deployment.bops(layers, 32)
    quicknet = quicknet_of(SMALL, (6, 5, 6))
    assert (deployment.bops(layers_of(quicknet, ODD_SHAPE, CLASSES))
            == cost_at(quicknet, ODD_SHAPE, CLASSES).bops)


@pytest.fixture
def called(monkeypatch):
    """The layers that are called, in order: Keras lists those of a model otherwise."""
    layers, call = [], tf.keras.layers.Layer.__call__

    def recorded(self, *args, **kwargs):
        layers.append(self)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(tf.keras.layers.Layer, "__call__", recorded)
    return layers


def of_model(model, called):
    """The three figures of a Keras model, whose layers ran in the order in which they were called."""
    keras = tf.keras.layers
    order = {id(layer): place for place, layer in enumerate(called)}
    layers = sorted(model.layers, key=lambda layer: order.get(id(layer), -1))
    reads = {id(layer): tf.nest.flatten(layer.input) for layer in layers}
    makers = {id(layer.output): layer for layer in layers}

    def readers(layer):
        return [other for other in layers if any(tensor is layer.output for tensor in reads[id(other)])]

    def is_inner(layer):
        """Whether a copy needs further layers in Keras, which has none that shifts or that cuts channels."""
        first = readers(layer)[0] if readers(layer) else None
        return (isinstance(layer, keras.Cropping2D) or isinstance(layer, keras.Reshape)
                and isinstance(first, keras.Cropping2D) or isinstance(layer, keras.Concatenate)
                and isinstance(first, keras.Reshape))

    def sources(layer):
        for tensor in () if isinstance(layer, keras.InputLayer) else reads[id(layer)]:
            maker = makers[id(tensor)]
            if is_inner(maker):
                yield from sources(maker)
            else:
                yield maker

    def elements(layer):
        return math.prod(tf.nest.flatten(layer.output)[0].shape[1:])

    steps = [layer for layer in layers if not is_inner(layer)]
    lives, packed, operations, read_by_signs = {id(layer): [i, i] for i, layer in enumerate(steps)}, 0, 0, {}
    for i, layer in enumerate(steps):
        in_place = isinstance(layer, (keras.ReLU, keras.BatchNormalization))
        for source in sources(layer):
            lives[id(source)][1] = i - in_place
        if isinstance(layer, lq.layers.QuantConv2D):
            height, width, inputs, _ = layer.kernel.shape
            packed += height * width * math.ceil(inputs / 32) * 32 * elements(layer)
            read_by_signs |= {id(source): source for source in sources(layer)}
        elif isinstance(layer, keras.ReLU):
            operations += elements(layer)
        elif isinstance(layer, keras.BatchNormalization):
            operations += 0 if type(next(sources(layer))) is keras.Conv2D else elements(layer)
        elif isinstance(layer, keras.Add):
            operations += elements(layer) * (len(reads[id(layer)]) - 1)
        elif isinstance(layer, keras.GlobalAveragePooling2D):
            operations += elements(next(sources(layer)))
        elif isinstance(layer, (keras.MaxPooling2D, keras.AveragePooling2D)) and layer.pool_size != (1, 1):
            operations += elements(layer) * math.prod(layer.pool_size)
    operations += sum(map(elements, read_by_signs.values()))
    peak = max(sum(elements(layer) for layer in steps if lives[id(layer)][0] <= i <= lives[id(layer)][1])
               for i in range(len(steps)))
    return deployment.DeploymentCost(packed, operations, 4 * peak)


@pytest.mark.parametrize("name", [*SPACES, "quicknet"])
def test_it_is_that_of_the_keras_model(name, called, rng):
    networks = ([quicknet_of(SMALL, (6, 5, 6))] if name == "quicknet"
                else [random_genotype(SPACES[name], rng) for _ in range(5)])
    for network in networks:
        called.clear()
        model = build_network(network, ODD_SHAPE, CLASSES)
        assert deployment.deployment_cost(network, ODD_SHAPE, CLASSES) == of_model(model, called)


def test_summary_tells_it_without_tensorflow(tmp_path, capsys):
    genotype = random_genotype(BARS_SMALL, np.random.default_rng(0))
    genotype.save(tmp_path / "genotype.json", (28, 28, 1), 10)
    expected = deployment.deployment_cost(genotype, (28, 28, 1), 10)
    summary.main(parse("summary", [f"--genotype={tmp_path / 'genotype.json'}", "--json"]))
    assert json.loads(capsys.readouterr().out)["deployment"] == expected._asdict()
    code = (f"import sys; from bars_tf.cli import main as programs; "
            f"sys.argv[1:] = ['--genotype={tmp_path}/genotype.json'];"
            " status = programs.summary(); sys.exit(status or 'tensorflow' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{expected.peak_activation_bytes:,}" in done.stdout.splitlines()[-1]
