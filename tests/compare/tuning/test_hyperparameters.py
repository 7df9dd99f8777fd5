"""Hyperparameters of networks and trainings."""

from bars_tf.compare.tuning.hyperparameters import architectures, genotype_of, tuned
from bars_tf.data.settings import DataSettings
from bars_tf.space.encoding import random_genotype
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_SMALL
from bars_tf.training.settings import TrainingSettings

SPACE = BARS_SMALL.replace(init_channels=4, stem_channels=4, num_nodes=2, layout="NR", width_choices=(0.5, 1.0))
GENOTYPE = Genotype(SPACE, (1.0, 1.0), (1, 0), (((),) * 2,) * 2)


def test_values_are_the_genotype(rng):
    for _ in range(20):
        genotype = random_genotype(SPACE, rng)
        values = {f"width_{s}": w for s, w in enumerate(genotype.widths)}
        values |= {f"depth_{s}": d for s, d in enumerate(genotype.depths)}
        values |= {f"{g}/{i}-{j}": genotype.primitive(g, (i, j)) for g in SPACE.groups for i, j in SPACE.edges}
        assert genotype_of(SPACE, values) == genotype
        assert set(values) == set(architectures(SPACE).values)


def test_settings_scale_to_the_epochs():
    training, data, network = tuned(TrainingSettings(train_epochs=20), DataSettings(), GENOTYPE, {
        "warmup_share": 0.25, "train_lr": 0.5, "dropout": 0.1, "flip": True, "cutout": 7,
        "input_quantizer": "approx_sign"}, 8)
    assert training == TrainingSettings(train_epochs=8, train_warmup_epochs=2, train_lr=0.5, dropout=0.1)
    assert data == DataSettings(flip=True, cutout=7)
    assert network.space.input_quantizer == "approx_sign" and network.widths == GENOTYPE.widths


def test_without_values_the_training_is_the_given_one():
    for epochs in range(10, 100):
        given = TrainingSettings(train_epochs=epochs, train_warmup_epochs=min(5, epochs // 10))
        assert tuned(given, DataSettings(), GENOTYPE, {}, epochs) == (given, DataSettings(), GENOTYPE)
    long = TrainingSettings(train_epochs=3, train_warmup_epochs=2)
    assert [tuned(long, DataSettings(), GENOTYPE, {}, epochs)[0].train_warmup_epochs for epochs in (1, 2, 3)] == [
        0, 1, 2]


def test_widths_of_a_file_may_be_whole_numbers():
    space = SPACE.replace(width_choices=(0.5, 1))
    assert architectures(space).values["width_0"] == 0.5
