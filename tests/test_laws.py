"""The laws that make a result trustworthy, on small real networks."""

import subprocess
import sys

import numpy as np
import pytest
from small_spaces import (
    ALL_PRIMITIVES,
    CLASSES,
    ENUMERABLE,
    ENUMERABLE_NASB,
    FULL_WIDTH,
    NASB,
    ODD_SHAPE,
    SMALL,
    TINY,
    TINY_NASB,
    TRANSITION,
    TWO_PATHS,
    all_choices,
    log_probability,
    random_alphas,
    sampled_genotypes,
    softmax,
    with_random_batch_norm,
)

from bars_tf.cli.settings import Settings
from bars_tf.cost import deployment, overhead
from bars_tf.cost.budget import Budget
from bars_tf.cost.expected import expected_cost
from bars_tf.cost.measures import PEAK
from bars_tf.cost.tables import cost_by_cell, cost_of, cost_tables
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.keras_network import build_network, in_float32, transfer_weights
from bars_tf.network.model_files import save_model
from bars_tf.search.derivation.candidates import candidates
from bars_tf.search.derivation.optimum import most_probable
from bars_tf.search.derivation.reach import check_budget, cost_range
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space import backbones
from bars_tf.space.backbones import nasb
from bars_tf.space.encoding import Choices, one_hot, random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS, BARS_PAPER
from bars_tf.training import fit as training


@pytest.fixture(scope="module", params=[(SMALL, 16), (FULL_WIDTH, 10), (TRANSITION, 8), (NASB, 10), (TWO_PATHS, 8)],
                ids=["bars", "full_width", "transition", "nasb", "two_paths"])
def supernet(request):
    """A supernet, and how many of its genotypes the tests look at."""
    space, number = request.param
    tf.keras.utils.set_random_seed(0)
    # What flows through a backbone is as large as the sums of its convolutions, if nothing normalises them.
    variance = 100.0 if space.backbone else 1.0
    return with_random_batch_norm(Supernet(space, ODD_SHAPE, CLASSES), np.random.default_rng(0), variance), number


def test_one_hot_and_cost_laws(supernet, rng):
    """The forced supernet is the derived network, and its cost is what Larq counts."""
    supernet, number = supernet
    space, forward = supernet.space, tf.function(lambda x, choices: supernet(x, choices), autograph=False)
    seen = set()
    for genotype in sampled_genotypes(space, rng, number):
        model = build_network(genotype, ODD_SHAPE, CLASSES)
        transfer_weights(supernet, genotype, model)
        images = rng.normal(size=(3, *ODD_SHAPE)).astype(np.float32)
        forced = forward(tf.constant(images), supernet.sample_of(genotype))
        np.testing.assert_allclose(forced, model(images, training=False), atol=1e-4)

        cost, profile = cost_of(genotype, supernet.tables), lq.models.ModelProfile(model)
        assert cost.bops == profile.op_count("mac", 1)
        assert cost.flops == profile.op_count("mac", 32)
        assert cost.params == profile.weight_count()
        assert cost.size_bytes * 8 == profile.memory
        seen |= {("width", s, w) for s, w in enumerate(genotype.widths)}
        seen |= {("depth", s, d) for s, d in enumerate(genotype.depths)}
        seen |= {p for p, share in genotype.primitive_fractions().items() if share}
    stages = range(space.num_stages)
    assert {("width", s, w) for s in stages for w in space.width_choices} <= seen
    assert {("depth", s, d) for s in stages for d in space.depths(s)} <= seen
    assert set(ALL_PRIMITIVES) <= seen


@pytest.mark.parametrize("num_paths", [1, 2])
def test_without_edges_a_space_is_its_backbone(num_paths, rng):
    """As a Bi-Real network that is written down here layer by layer."""
    space = NASB.replace(num_paths=num_paths)
    model = build_network(backbones.backbone(space), (15, 13, 3), CLASSES)
    x = image = tf.keras.layers.Input((15, 13, 3))
    names = iter(layer.name for layer in model.layers if layer.weights)

    def normalized(x):
        return tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)(x)

    def binary(x, filters, strides):
        return normalized(lq.layers.QuantConv2D(
            filters, 3, strides=strides, padding="same", pad_values=1.0, input_quantizer="approx_sign",
            kernel_quantizer="ste_sign", use_bias=False)(x))

    x = normalized(tf.keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
    for filters, strides, repeats in space.backbone:
        for repeat in range(repeats):
            shortcut = x
            if not repeat and (strides == 2 or filters != x.shape[-1]):
                shortcut = tf.keras.layers.AveragePooling2D(2, padding="same")(x) if strides == 2 else x
                shortcut = normalized(tf.keras.layers.Conv2D(filters, 1, use_bias=False)(shortcut))
            paths = [binary(x if num_paths == 1 else normalized(x), filters, 1 if repeat else strides)
                     for _ in range(num_paths)]
            x = tf.keras.layers.Add()([*paths, shortcut])
    logits = tf.keras.layers.Dense(CLASSES)(tf.keras.layers.GlobalAveragePooling2D()(x))
    written = tf.keras.Model(image, logits)
    given = [v for layer in model.layers for v in layer.weights]
    for variable in given:
        variable.assign(rng.uniform(0.2, 1, variable.shape) * rng.choice([-1, 1], variable.shape)
                        if "variance" not in variable.name else rng.uniform(5, 10, variable.shape))
    shapes = {name: [tuple(w.shape) for w in model.get_layer(name).weights] for name in names}
    # Layers of the same shapes come in the same order in both.
    for layer in written.layers:
        if layer.weights:
            name = next(n for n, s in shapes.items() if s == [tuple(w.shape) for w in layer.weights])
            del shapes[name]
            layer.set_weights(model.get_layer(name).get_weights())
    assert not shapes
    images = rng.normal(size=(4, 15, 13, 3)).astype(np.float32)
    np.testing.assert_allclose(model(images), written(images), atol=1e-4)
    theirs, tables = lq.models.ModelProfile(written), cost_tables(space, (15, 13, 3), CLASSES)
    cost = cost_of(backbones.backbone(space), tables)
    assert (cost.bops, cost.flops, cost.params) == (
        theirs.op_count("mac", 1), theirs.op_count("mac", 32), theirs.weight_count())


def test_a_backbone_may_be_multiplied_by_a_whole_number():
    assert nasb("resnet20", 2) == nasb("resnet20", 2.0)


def test_resnet18_costs_what_the_bi_real_network_of_larq_zoo_does():
    import larq_zoo as lqz  # takes the Keras that `legacy_keras` has chosen

    space = nasb("resnet18")
    cost = cost_of(backbones.backbone(space), cost_tables(space, (224, 224, 3), 1000))
    profile = lq.models.ModelProfile(lqz.literature.BiRealNet(weights=None))
    assert (cost.bops, cost.flops) == (profile.op_count("mac", 1), profile.op_count("mac", 32))
    assert (cost.params, cost.size_bytes * 8) == (profile.weight_count(), profile.memory)


def test_overhead_law(rng):
    """Never above the share of the backbone's cost; at 0 nothing that costs anything stays."""
    space = nasb("resnet20")
    tables = cost_tables(space, (32, 32, 3), 10)
    base = cost_of(backbones.backbone(space), tables)
    for i in range(40):
        share = (0.1, 0.05, 0.3, 0.0)[i % 4]
        budget = overhead.budget(Budget(), str(share), tables)
        genotype = most_probable(random_alphas(space, rng, 10.0 ** rng.integers(-2, 2)), tables, budget)
        assert all(above <= share for above in overhead.overhead_of(cost_of(genotype, tables), base).values())
        assert all(len(node) <= 2 for topology in genotype.topologies for node in topology)
        assert share or genotype == backbones.backbone(space)
    assert overhead.budget(Budget(), "none", tables) == Budget()
    assert set(overhead.budget(Budget(), "bops:0.2", tables).limits()) == {"bops"}


@pytest.mark.parametrize("changes", [
    {"stem": "imagenet_4", "sharing": "stage"}, {"stem": "imagenet_7x7", "num_nodes": 4, "init_channels": 4},
    {"primitives": ("skip", "bin_conv_3x3"), "sharing": "all", "input_quantizer": "approx_sign"},
    {"width_choices": (1.0,), "sharing": "none"}])
def test_one_hot_law_of_other_spaces(changes, rng):
    space = TINY.replace(**changes)
    supernet = with_random_batch_norm(Supernet(space, (16, 16, 3), 3), rng)
    for genotype in sampled_genotypes(space, rng, 3):
        model = build_network(genotype, (16, 16, 3), 3)
        transfer_weights(supernet, genotype, model)
        images = rng.normal(size=(2, 16, 16, 3)).astype(np.float32)
        np.testing.assert_allclose(supernet(images, supernet.sample_of(genotype)), model(images), atol=1e-4)


@pytest.mark.parametrize("space", [
    TINY.replace(layout="RR", stem="cifar_2"), BARS.replace(init_channels=8, layout="RR", stem="conv_3x3_2"),
    nasb("resnet20", 0.25)], ids=["bars_paper", "bars", "nasb"])
def test_images_are_large_enough_where_networks_can_be_built(space, rng):
    """Known before a search, whose supernet takes what its result could not."""
    genotype, refused = random_genotype(space, rng), []
    for side in range(1, 7):
        image_shape = (side, side + 1, 3)
        try:
            space.check_image(image_shape)
        except ValueError:
            refused.append(side)
            continue
        assert build_network(genotype, image_shape, 3).output_shape == (None, 3)
    assert refused == [1, 2, 3] if space.backbone else refused == [1, 2, 3, 4]
    if not space.backbone:
        with pytest.raises(ValueError):
            build_network(genotype, (4, 5, 3), 3)


def chain_of_convolutions(space):
    return tuple(tuple((i, "bin_conv_3x3" if i == j - 1 else "skip") for i in range(j))
                 for j in range(1, space.num_nodes + 1))


def all_convolutions(space):
    return tuple(tuple((i, "bin_conv_3x3") for i in range(j)) for j in range(1, space.num_nodes + 1))


@pytest.mark.parametrize("topology, bops, binary_params", [
    (all_convolutions, 450.9, 1.753), (chain_of_convolutions, 238.6, 0.965)])
def test_reference_costs_of_bars(topology, bops, binary_params):
    """Figures in the convention of the authors' code, two operations a multiply-accumulate, millions:
    stem 9*3*16*1024 + 16*64*1024, head 256*10."""
    space = BARS_PAPER
    genotype = Genotype(space, (1.0,) * 3, (2,) * 3, (topology(space),) * len(space.groups))
    cost = cost_of(genotype, cost_tables(space, (32, 32, 3), 10))
    assert cost.flops == 9 * 3 * 16 * 1024 + 16 * 64 * 1024 + 256 * 10
    assert round(2 * cost.flops / 1e6, 2) == 2.99
    assert round(2 * cost.bops / 1e6, 1) == bops
    assert round(cost.binary_params / 1e6, 3) == binary_params


@pytest.fixture(scope="module", params=[ENUMERABLE, ENUMERABLE_NASB], ids=["bars", "nasb"])
def enumerated(request):
    space = request.param
    tables = cost_tables(space, (8, 8, 1), 2)
    return tables, [(c, g, cost_of(g, tables)) for c, g in all_choices(space)]


def test_expected_cost_is_full_enumeration(enumerated, rng):
    tables, everything = enumerated
    for _, genotype, cost in everything[::max(1, len(everything) // 100)]:
        assert tuple(expected_cost(tables, one_hot(genotype))) == cost
    for scale in (0.1, 1.0, 3.0):
        alphas = random_alphas(tables.space, rng, scale)
        mean = sum(np.exp(log_probability(c, alphas)) * np.array(cost) for c, _, cost in everything)
        expected = expected_cost(tables, Choices(*map(softmax, alphas)))
        np.testing.assert_allclose(expected[:-1], mean[:-1], rtol=1e-9)  # without memory
        probabilities = Choices(*(tf.constant(softmax(a)) for a in alphas))
        np.testing.assert_allclose(expected_cost(tables, probabilities, xp=tf), expected, rtol=1e-9)


def test_expected_peak_lies_between_the_mean_of_each_part_and_that_of_the_largest(enumerated, rng):
    """It is exact where probabilities are one-hot, and has a gradient."""
    tables, everything = enumerated
    for scale in (0.1, 1.0, 3.0, 1000.0):
        alphas = random_alphas(tables.space, rng, scale)
        mean = sum(np.exp(log_probability(c, alphas)) * cost.peak_bytes for c, _, cost in everything)
        of_parts = {}
        for choice, genotype, _ in everything:
            for name, cost in cost_by_cell(genotype, tables):
                of_parts[name] = of_parts.get(name, 0) + (np.exp(log_probability(choice, alphas))
                                                          * cost.peak_bytes)
        expected = expected_cost(tables, Choices(*map(softmax, alphas)))[-1]
        assert max(of_parts.values()) * (1 - 1e-9) <= expected <= mean * (1 + 1e-9)
        if scale == 1000:
            assert expected == pytest.approx(mean)
        probabilities = Choices(*(tf.constant(softmax(a)) for a in alphas))
        with tf.GradientTape() as tape:
            tape.watch(probabilities)
            found = expected_cost(tables, probabilities, xp=tf)[-1]
        assert found.numpy() == pytest.approx(expected)
        assert np.abs(tape.gradient(found, probabilities)[0]).max() > 0  # of widths


def test_the_peak_of_a_budget_is_that_of_the_largest_part_and_never_below_the_networks(rng):
    """Little above it where a cell has one edge; there primitives differ in what they need at stride 2."""
    one_edge = BARS.replace(layout="NRN", init_channels=8)
    for space in (one_edge, SMALL, NASB, TWO_PATHS, BARS_PAPER, TINY_NASB):
        tables = cost_tables(space, ODD_SHAPE, CLASSES)
        for genotype in sampled_genotypes(space, rng, 40):
            found = cost_of(genotype, tables).peak_bytes
            exact = deployment.deployment_cost(genotype, ODD_SHAPE, CLASSES).peak_activation_bytes
            assert exact <= found == max(c.peak_bytes for _, c in cost_by_cell(genotype, tables))
            assert exact > 0.9 * found or space is not one_edge


@pytest.mark.parametrize("changes", [{"layout": "NNN", "primitives": ("skip", "bin_conv_3x3")},
                                     {"primitives": ("none",)}, {"primitives": ("skip",), "sharing": "all"}], ids=str)
def test_spaces_without_a_choice_have_peaks(changes, rng):
    space = BARS_PAPER.replace(**changes)
    tables = cost_tables(space, (16, 16, 3), CLASSES)
    smallest, largest = cost_range(tables, PEAK)
    found = [cost_of(genotype, tables).peak_bytes for genotype in sampled_genotypes(space, rng, 20)]
    assert smallest <= min(found) and max(found) <= largest
    check_budget(tables, Budget(peak_bytes=smallest))


@pytest.mark.parametrize("space", [BARS_PAPER, nasb("resnet20")], ids=["bars", "nasb"])
def test_expected_cost_is_the_mean_of_samples(space, rng):
    tables = cost_tables(space, (32, 32, 3), 10)
    for scale in (0.5, 2.0):
        alphas = random_alphas(space, rng, scale)
        costs = []
        for _ in range(2000):
            hard = Choices(*(np.eye(a.shape[-1])[(a + rng.gumbel(size=a.shape)).argmax(-1)] for a in alphas))
            costs.append(expected_cost(tables, hard)[:-1])  # without memory
        costs = np.array(costs)
        error = np.abs(costs.mean(0) - expected_cost(tables, Choices(*map(softmax, alphas)))[:-1])
        assert (error <= 4 * costs.std(0) / np.sqrt(len(costs))).all()


def test_budget_law_most_probable_is_brute_force(enumerated, rng):
    tables, everything = enumerated
    most = tables.space.max_inputs or tables.space.num_nodes
    everything = [e for e in everything if all(len(node) <= most for t in e[1].topologies for node in t)]
    bops, sizes, peaks = (sorted(getattr(cost, name) for *_, cost in everything)
                          for name in ("bops", "size_bytes", PEAK))
    limits = [{"bops": bops[part], "size_bytes": sizes[2 * len(sizes) // 3]}
              for part in (0, len(bops) // 20, len(bops) // 3, -1)]
    limits += [{PEAK: peaks[part]} for part in (0, len(peaks) // 10, len(peaks) // 2)]
    limits += [{PEAK: peaks[len(peaks) // 3], "bops": bops[len(bops) // 3]}]
    for each in limits:
        budget = Budget(**each)
        alphas = random_alphas(tables.space, rng)
        allowed = [(log_probability(c, alphas), g) for c, g, cost in everything if budget.allows(cost)]
        assert allowed
        found = most_probable(alphas, tables, budget)
        assert found in {g for score, g in allowed if score > max(s for s, _ in allowed) - 1e-9}


def test_budget_law_never_exceeded(rng):
    space = BARS_PAPER
    tables = cost_tables(space, (32, 32, 3), 10)
    for i in range(70):
        budget = (Budget(bops=3e6), Budget(bops=2e7, flops=1e6), Budget(ops=1.1e6), Budget(size_bytes=12e3),
                  Budget(ops=3e6, size_bytes=1e5), Budget(params=2e5),
                  Budget(bops=2e7, peak_bytes=4e5))[i % 7]
        genotype = most_probable(random_alphas(space, rng, 10.0 ** rng.integers(-2, 2)), tables, budget)
        assert budget.allows(cost_of(genotype, tables))
    for candidate in candidates(random_alphas(space, rng), tables, Budget(bops=5e6), 8, seed=0):
        assert candidate.cost.bops <= 5e6


def test_impossible_budgets_are_refused(enumerated):
    tables, everything = enumerated
    most = tables.space.max_inputs or tables.space.num_nodes
    everything = [e for e in everything if all(len(node) <= most for t in e[1].topologies for node in t)]
    for name in (PEAK, "ops"):
        smallest, largest = cost_range(tables, name)
        assert smallest == min(getattr(cost, name) for *_, cost in everything)
        assert largest == max(getattr(cost, name) for *_, cost in everything)
    with pytest.raises(ValueError, match=f"reaches from {smallest:.6g} to {largest:.6g}"):
        check_budget(tables, Budget(ops=smallest - 1))
    check_budget(tables, Budget(ops=smallest))


@pytest.mark.parametrize("space", [SMALL, TWO_PATHS], ids=["bars", "nasb"])
def test_handover_law_of_files(space, tmp_path, rng):
    """The saved network loads where this package cannot be imported, and computes the same."""
    genotype = random_genotype(space, rng)
    model = build_network(genotype, ODD_SHAPE, CLASSES)
    images = rng.normal(size=(4, *ODD_SHAPE)).astype(np.float32)
    save_model(model, tmp_path / "model.h5")
    np.save(tmp_path / "images.npy", images)
    code = """
import os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
sys.modules["bars_tf"] = None
import numpy as np, tensorflow as tf, larq
model = tf.keras.models.load_model("model.h5")
np.save("logits.npy", model(np.load("images.npy"), training=False).numpy())
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert (np.load(tmp_path / "logits.npy") == model(images, training=False).numpy()).all()


@pytest.mark.parametrize("precision", ["binary", "float_kernels", "float"])
def test_what_was_trained_in_bfloat16_computes_in_float32(precision, rng):
    genotype = random_genotype(TINY.replace(input_quantizer="approx_sign"), rng)
    config = Settings.of(mixed_precision=True, dropout=0.1)
    trained = training.trainable_network(config.training, genotype, ODD_SHAPE, CLASSES, precision)
    plain = build_network(genotype, ODD_SHAPE, CLASSES, dropout=0.1, precision=precision)
    plain.set_weights(trained.get_weights())
    images = rng.normal(size=(4, *ODD_SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(in_float32(trained)(images, training=False), plain(images, training=False))


def test_genotype_rebuilds_for_other_data(rng):
    genotype = random_genotype(SMALL, rng)
    for shape, classes in (((8, 8, 3), 2), ((33, 20, 1), 100)):
        assert build_network(genotype, shape, classes)(np.zeros((1, *shape), np.float32)).shape == (1, classes)
