"""What users of Keras expect of a model: a supernet does it, or refuses it by name in one line."""

import copy
import csv
import math
import pickle

import numpy as np
import pytest
from sample_networks import channels_first

from bars_tf.cost.budget import Budget
from bars_tf.cost.device import load
from bars_tf.cost.tables import cost_of
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.search import phases
from bars_tf.search.supernet.batches import halves_of_arrays
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import uniform
from bars_tf.space.presets import BARS_PAPER
from bars_tf.training import schedules

SPACE = BARS_PAPER.replace(init_channels=4, layout="N", num_nodes=1, width_choices=(0.5, 1.0))
SHAPE, CLASSES = (8, 8, 1), 3
IMAGES, LABELS = np.random.default_rng(0).normal(size=(16, *SHAPE)).astype(np.float32), np.arange(16) % CLASSES
BATCHES = [(IMAGES[:8], LABELS[:8]), (IMAGES[8:], LABELS[8:])]
ONE_HOT, ONES = np.eye(CLASSES)[LABELS], np.ones(16, np.float32)
BUDGET = Budget(ops=3e3)
TIMED = Budget(latency_us=1e4, device=load("rpi4b"))
callbacks, mixed_precision = tf.keras.callbacks, tf.keras.mixed_precision


def data(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(8)


def pairs(*arrays):
    batches = data(*(arrays or (IMAGES, LABELS)))
    return tf.data.Dataset.zip((batches, batches))


class Sequence(tf.keras.utils.Sequence):
    """Of one element, twice."""

    def __init__(self, element):
        self.element = element

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.element


class Loader:
    """A class of batches that Keras does not know, as PyTorch's DataLoader."""

    def __len__(self):
        return 2

    def __iter__(self):
        return iter(BATCHES)


def endless(element):
    while True:
        yield element


def made(**options):
    supernet = Supernet(SPACE, SHAPE, CLASSES)
    supernet.compile(**{"budget": BUDGET, **options})
    return supernet


@pytest.fixture(scope="module")
def net():
    """Traced once, for shapes that are not known, as those of generators."""
    supernet = made()
    supernet.fit(endless(BATCHES), steps_per_epoch=1, verbose=0)
    return supernet


@pytest.fixture(scope="module")
def eager():
    return made(run_eagerly=True)


def fits(net, x, y=None, **options):
    """Whether all metrics have a value in each epoch."""
    found = net.fit(x, y, verbose=0, **options).history
    return all(len(v) == options.get("epochs", 1) and np.isfinite(v).all() for v in found.values()) and "loss" in found


def values(net):
    """All variables but those of the metrics."""
    metrics = {id(v) for metric in net.metrics for v in metric.variables}
    return [v.numpy() for v in net.variables if id(v) not in metrics]


def equal(given, wanted):
    return len(given) == len(wanted) and all(map(np.array_equal, given, wanted))


def restores(net, save, load):
    """Whether all values are back after other ones in between."""
    before, state = values(net), save()
    net.set_weights([np.ones_like(value) for value in net.get_weights()])
    load(state)
    return equal(values(net), before)


def is_same(net, other):
    """Whether two supernets have the same space, budget, variables and states of their optimizers."""
    states = [[v.numpy() for o in (s.weight_optimizer, s.arch_optimizer) for v in o.variables] for s in (net, other)]
    return ((other.space, other.budget) == (net.space, net.budget) and equal(values(other), values(net))
            and equal(*states) and int(net.weight_optimizer.iterations) > 0)


def saved(net, path):
    net.save(path)
    other = tf.keras.models.load_model(path)
    return is_same(net, other) and np.allclose(net.predict_on_batch(IMAGES), other(IMAGES))


def served(path, images):
    read = tf.saved_model.load(path)  # whose variables live as long as it does
    return read.serve(tf.constant(images))


def has_same_layers(net, other):
    return other.get_config() == net.get_config() and [v.shape for v in other.variables] == [
        v.shape for v in net.variables]


WORKS = {
    "data set of pairs": lambda net, path: fits(net, pairs()),
    "generator of pairs": lambda net, path: fits(net, endless(BATCHES), steps_per_epoch=2, epochs=2),
    "Sequence of pairs": lambda net, path: fits(net, Sequence(BATCHES), epochs=2),
    "arrays": lambda net, path: fits(net, IMAGES, LABELS, batch_size=4),
    "arrays of other dtypes, labels in columns": lambda net, path: fits(
        net, IMAGES.astype(np.float64), LABELS[:, None].astype(np.float32), batch_size=4),
    "validation_split": lambda net, path: fits(net, IMAGES, LABELS, batch_size=4, validation_split=0.25),
    "validation_data in a list": lambda net, path: fits(net, pairs(), validation_data=[IMAGES, LABELS]),
    "train_on_batch with class_weight": lambda net, path: net.train_on_batch(
        *BATCHES, class_weight=dict.fromkeys(range(3), 0.0))[0] == 0 < net.train_on_batch(*BATCHES)[0],
    "calls with training": lambda net, path: np.array_equal(net(IMAGES, training=True), net(IMAGES, training=False)),
    "in a Sequential": lambda net, path: tf.keras.Sequential([tf.keras.layers.Rescaling(2.0), net]).predict(
        IMAGES, verbose=0).shape == (16, CLASSES),
    "export": lambda net, path: net.export(path / "saved") is None and np.allclose(
        served(path / "saved", IMAGES), net(IMAGES), atol=1e-5),
    "validation_data of arrays": lambda net, path: fits(net, pairs(), validation_data=(IMAGES, LABELS)),
    "validation_data": lambda net, path: fits(net, pairs(), validation_data=data(IMAGES, LABELS)),
    "train_on_batch": lambda net, path: math.isfinite(net.train_on_batch(*BATCHES)[0]),
    "test_on_batch": lambda net, path: len(net.test_on_batch(IMAGES, LABELS)) == 2,
    "predict": lambda net, path: net.predict(IMAGES, verbose=0).shape == (16, CLASSES),
    "predict of batches": lambda net, path: net.predict(data(IMAGES, LABELS), verbose=0).shape == (16, CLASSES),
    "evaluate": lambda net, path: set(net.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)) == {
        "loss", "accuracy"},
    "derive": lambda net, path: BUDGET.allows(cost_of(net.derive((IMAGES, LABELS), num_samples=1), net.tables)),
    "derive of a list, before compile": lambda net, path: Supernet(SPACE, SHAPE, CLASSES).derive(
        BATCHES, num_samples=1).space == SPACE,
    "derive with weights": lambda net, path: net.derive(data(IMAGES, LABELS, ONES), num_samples=1).space == SPACE,
    "derive of a Sequence": lambda net, path: net.derive(Sequence(BATCHES[0]), num_samples=1).space == SPACE,
    "initial_epoch": lambda net, path: net.fit(pairs(), initial_epoch=1, epochs=3, verbose=0).epoch == [1, 2],
    "reset_states": lambda net, path: net.reset_states() is None and net.reset_metrics() is None,
    "summary": lambda net, path: net.summary(print_fn=lambda line: None, expand_nested=True) is None,
    "set_weights": lambda net, path: restores(net, net.get_weights, net.set_weights),
    **{f"save_weights: {name}": lambda net, path, name=name: restores(
        net, lambda: net.save_weights(path / name), lambda _: net.load_weights(path / name))
       for name in ("w.h5", "w.weights.h5", "checkpoint")},
    "save": lambda net, path: saved(net, path / "s.keras"),
    "save before compile": lambda net, path: copy.copy(Supernet(SPACE, SHAPE, CLASSES)).space == SPACE,
    "save with a limit of time": lambda net, path: copy.copy(made(budget=TIMED)).budget == TIMED,
    "save with a schedule": lambda net, path: copy.copy(made(weight_optimizer=tf.keras.optimizers.Adam(
        schedules.WarmupCosine(0.1, 9)))).weight_optimizer._learning_rate.total_steps == 9,
    "deepcopy": lambda net, path: is_same(net, copy.deepcopy(net)),
    "pickle": lambda net, path: is_same(net, pickle.loads(pickle.dumps(net))),
    "clone_model": lambda net, path: has_same_layers(net, tf.keras.models.clone_model(net)),
    "to_json": lambda net, path: has_same_layers(net, tf.keras.models.model_from_json(net.to_json())),
    "from_config": lambda net, path: has_same_layers(net, Supernet.from_config(net.get_config())),
}


@pytest.mark.parametrize("what", WORKS)
def test_a_supernet_does(what, net, tmp_path):
    assert WORKS[what](net, tmp_path)


def learning_rates_fall(net, history):
    return float(net.weight_optimizer.learning_rate) < 1e-3 == pytest.approx(float(net.arch_optimizer.learning_rate))


# All of `tf.keras.callbacks` with what holds after three epochs.
CALLBACKS = {
    "BackupAndRestore": (lambda path: callbacks.BackupAndRestore(path / "backup"),
                         lambda net, path, history: not (path / "backup" / "chief").exists()),
    "CSVLogger": (lambda path: callbacks.CSVLogger(path / "log.csv"),
                  lambda net, path, history: len(list(csv.DictReader((path / "log.csv").open()))) == 3),
    "EarlyStopping": (lambda path: callbacks.EarlyStopping("val_loss", min_delta=9, patience=1,
                                                           restore_best_weights=True),
                      lambda net, path, history: len(history.epoch) == 2),
    "History": (lambda path: callbacks.History(), lambda net, path, history: len(history.epoch) == 3),
    "LambdaCallback": (lambda path: callbacks.LambdaCallback(
        on_batch_end=lambda batch, logs: (path / f"{batch}").touch()),
                       lambda net, path, history: (path / "1").exists()),
    "LearningRateScheduler": (lambda path: callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
                              lambda net, path, history: learning_rates_fall(net, history)),
    "ModelCheckpoint": (lambda path: callbacks.ModelCheckpoint(str(path / "{epoch}.keras"), monitor="val_accuracy"),
                        lambda net, path, history: len(list(path.glob("*.keras"))) == 3),
    "ProgbarLogger": (lambda path: callbacks.ProgbarLogger(), lambda net, path, history: len(history.epoch) == 3),
    "ReduceLROnPlateau": (lambda path: callbacks.ReduceLROnPlateau("val_loss", min_delta=9, patience=1),
                          lambda net, path, history: learning_rates_fall(net, history)),
    "RemoteMonitor": (lambda path: callbacks.RemoteMonitor("http://127.0.0.1:9"),
                      lambda net, path, history: len(history.epoch) == 3),
    "TensorBoard": (lambda path: callbacks.TensorBoard(path, histogram_freq=1, update_freq="batch"),
                    lambda net, path, history: list(path.rglob("events*"))),
    "TerminateOnNaN": (lambda path: callbacks.TerminateOnNaN(), lambda net, path, history: len(history.epoch) == 3),
}
# Bases and wholes, and what writes a SavedModel, which is refused.
OTHERS = {"BaseLogger", "Callback", "CallbackList", "SidecarEvaluatorModelExport", "experimental"}


@pytest.mark.filterwarnings("ignore:Could not reach RemoteMonitor")
@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_of_keras(name, net, tmp_path):
    make, holds = CALLBACKS[name]
    net.weight_optimizer.learning_rate = 1e-3
    history = net.fit(pairs(), epochs=3, verbose=0, validation_data=data(IMAGES, LABELS), callbacks=[make(tmp_path)])
    assert holds(net, tmp_path, history)
    assert fits(net, pairs())  # BackupAndRestore leaves Keras's models without an attribute of theirs


def test_all_callbacks_of_keras_are_tested():
    assert {name for name in dir(callbacks) if not name.startswith("_")} == CALLBACKS.keys() | OTHERS


def then(*elements):
    """A generator, or of a Sequence the items: one good element, then the wrong one."""
    return lambda wrong: iter([*elements, wrong, wrong])


class Items(Sequence):
    def __getitem__(self, index):
        return self.element[index]


HALF, FRACTIONS = (IMAGES[:8], LABELS[:8]), np.where(LABELS == 1, 0.5, LABELS)
# Batches that are wrong from the second one on, and what is said of them.
WRONG = {
    "too large": ((IMAGES[:8], LABELS[:8] + 1), "labels=3: must be 0 to 2"),
    "negative": ((IMAGES[:8], LABELS[:8] - 1), "labels=-1: must be 0 to 2"),
    "fractions": ((IMAGES[:8], FRACTIONS[:8]), "labels=0.5: must be 0 to 2 and whole"),
    "not a number": ((IMAGES[:8], FRACTIONS[:8] * np.nan), "labels=nan: must be 0 to 2"),
    "names": ((IMAGES[:8], LABELS[:8].astype(str)), "dtype of the labels=.*must be one of numbers"),
    "one-hot": ((IMAGES[:8], ONE_HOT[:8]), "of one-hot labels tf.argmax"),
    "no batch of labels": ((IMAGES[:8], np.int64(1)), r"shape of the labels=\(\): must be"),
    "fewer labels": ((IMAGES[:8], LABELS[:4]), r"batch=\[8, 4\]: must be equally many"),
    "no images": ((IMAGES[:0], LABELS[:0]), r"batch=\[0, 0\]: must be equally many .* one or more"),
    "no labels": ((IMAGES[:8], None), "batch=.*must be .images, labels"),
    "other sizes": ((IMAGES[:8, :6, :6], LABELS[:8]), "shape of the images=.8, 6, 6, 1.: must be"),
    "no channels": ((IMAGES[:8, ..., 0], LABELS[:8]), "shape of the images=.8, 8, 8.: must be"),
    "paths": ((IMAGES[:8].astype(str), LABELS[:8]), "dtype of the images=.*must be one of numbers"),
    "objects": ((IMAGES[:8].astype(object), LABELS[:8]), "dtype of the images='object': must be"),
    "complex": ((IMAGES[:8].astype(np.complex64), LABELS[:8]), "dtype of the images='complex64': must be"),
    "of other lengths": ((IMAGES[:8], [[1], [2, 3]]), "batch='lists': must be arrays"),
}
READERS = {
    "fit of a generator": lambda net, batch: net.fit(then((HALF, HALF))((HALF, batch)), steps_per_epoch=2, verbose=0),
    "fit of a Sequence": lambda net, batch: net.fit(Items([(HALF, HALF), (batch, HALF)]), verbose=0),
    "evaluate of a generator": lambda net, batch: net.evaluate(then(HALF)(batch), steps=2, verbose=0),
    "evaluate of a Sequence": lambda net, batch: net.evaluate(Items([HALF, batch]), verbose=0),
    "validation_data": lambda net, batch: net.fit(pairs(), validation_data=Items([HALF, batch]), verbose=0),
    "derive": lambda net, batch: net.derive([HALF, batch], num_samples=1),
    "train_on_batch": lambda net, batch: net.train_on_batch(HALF, batch),
}


@pytest.mark.parametrize("reader", READERS)
def test_wrong_batches_are_refused_wherever_they_come(reader, net):
    for batch, message in [*WRONG.values()][::6 if reader == "derive" else 1]:  # that takes a second each
        with pytest.raises(ValueError, match=message) as error:
            READERS[reader](net, batch)
        assert len(str(error.value).splitlines()) == 1


def unknown(images):
    """A data set that does not say the sizes of its images."""
    spec = tf.TensorSpec((None,) * images.ndim, tf.float32), tf.TensorSpec((None,), tf.int64)
    batches = tf.data.Dataset.from_generator(lambda: iter([(images, LABELS[:8])]), output_signature=spec)
    return tf.data.Dataset.zip((batches, batches))


CONFIG = {"space": SPACE.to_dict(), "input_shape": list(SHAPE), "num_classes": CLASSES, "seed": 0}
REFUSED = {
    "labels of no class, data set": (lambda net: net.fit(pairs(IMAGES, LABELS + 1), verbose=0), "labels=3: must be"),
    "fractions, data set": (lambda net: net.evaluate(data(IMAGES, FRACTIONS), verbose=0), "labels=0.5: must be"),
    "labels that are nan, data set": (lambda net: net.evaluate(data(IMAGES, FRACTIONS * np.nan)), "labels=nan: must"),
    "names of classes, data set": (lambda net: net.fit(pairs(IMAGES, LABELS.astype(str))), "dtype of the labels='str"),
    "sizes that show late": (lambda net: net.fit(unknown(IMAGES[:8, :6]), verbose=0), "images=.None, 6, 8, 1.: "),
    "fewer labels, evaluate": (lambda net: net.evaluate(IMAGES, LABELS[1:]), r"batch=\[16, 15\]: must be equally"),
    "labels of no class, test_on_batch": (lambda net: net.test_on_batch(IMAGES, LABELS + 1), "labels=3: must be"),
    "other images, predict of a generator": (lambda net: net.predict(then(IMAGES)(IMAGES[:, 1:])), "images=.*7, 8, 1"),
    "a dictionary, predict": (lambda net: net.predict(iter([{"x": IMAGES}])), "batch='dict': must be images"),
    "wrong labels in a list, validation_data": (lambda net: net.fit(pairs(), validation_data=[IMAGES, LABELS + 1]),
                                                "labels=3: must be"),
    "classes of weights in an array": (lambda net: net.fit(pairs(), class_weight=ONES[:3]), "class_weight=array.*dict"),
    "names as weights": (lambda net: net.fit(IMAGES, LABELS, batch_size=4, sample_weight=ONES.astype(str)),
                         "dtype of the weights='str"),
    "a batch_size of text": (lambda net: net.fit(IMAGES, LABELS, batch_size="4"), "batch_size='4': must be an integer"),
    "a batch_size that is no integer": (lambda net: net.fit(IMAGES, LABELS, batch_size=4.0), "batch_size=4.0: must be"),
    "a split that leaves nothing": (lambda net: net.fit(IMAGES, LABELS, validation_split=0.99),
                                    "validation_split=0.99: must leave two images"),
    "no data": (lambda net: net.fit(), "batches='NoneType': must be batches"),
    "a path": (lambda net: net.fit("images"), "batches='str': must be batches"),
    "an unknown class, fit": (lambda net: net.fit(Loader()), "batches='Loader': must be batches"),
    "an unknown class, evaluate": (lambda net: net.evaluate(Loader()), "batches='Loader': must be batches"),
    "an unknown class, derive": (lambda net: net.derive(object()), "batches='object': must be batches"),
    "labels beside a data set": (lambda net: net.fit(pairs(), LABELS), "`y` argument is not supported"),
    "a data set without batches": (lambda net: net.evaluate(tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))),
                                   "batch.n. of a data set makes B"),
    "ragged images": (lambda net: net.evaluate(tf.ragged.constant(IMAGES.tolist()), LABELS), "images='RaggedTensor'"),
    "sparse labels": (lambda net: net.evaluate(data(IMAGES, LABELS).map(
        lambda x, y: (x, tf.sparse.from_dense(y)))), "labels='SparseTensor': must be"),
    "another model's optimizer": (lambda net: made(weight_optimizer=net.weight_optimizer), "optimizer='Adam': belongs"),
    "save_format": (lambda net: net.save("s.keras", save_format="tf"), "save_format='tf': must end in .keras"),
    "a generator that has ended": (lambda net: net.fit(iter([]), steps_per_epoch=1), "batches='generator': are none"),
    "class_weight": (lambda net: net.fit(pairs(), class_weight="balanced"), "class_weight='balanced': must be a dict"),
    "weights of no class": (lambda net: net.fit(pairs(), class_weight={3: 1.0}), "class_weight={3: 1.0}: must"),
    "negative weights": (lambda net: net.fit(pairs(), class_weight={0: -1}), "class_weight={0: -1}: must be a dict"),
    "validation_split": (lambda net: net.fit(IMAGES, LABELS, validation_split=2), "validation_split=2: must be a frac"),
    "num_samples": (lambda net: net.derive(data(IMAGES, LABELS), num_samples=-1), "num_samples=-1: must be an integer"),
    "an empty config": (lambda net: Supernet.from_config({}), r"config=\[\]: must be a dictionary of space, "),
    "no config": (lambda net: Supernet.from_config(None), "config=None: must be a dictionary of space, "),
    "an unknown key": (lambda net: Supernet.from_config({**CONFIG, "x": 1}), "config=.*'x'.*: must be"),
    "a config of another shape": (lambda net: Supernet.from_config({**CONFIG, "input_shape": 3}), "input_shape=3: m"),
    "a config without a space": (lambda net: Supernet.from_config({**CONFIG, "space": None}), "search space: expected"),
    "a config of another space": (lambda net: Supernet.from_config({**CONFIG, "space": {"y": 1}}), "unknown field 'y'"),
    "an empty compile_config": (lambda net: net.compile_from_config({}), "compile_config=.*: must be a dictionary of"),
    "a damaged compile_config": (lambda net: net.compile_from_config({**net.get_compile_config(), "budget": {"y": 1}}),
                                 "compile_config=.*is damaged: .*'y'"),
    "a damaged optimizer": (lambda net: net.compile_from_config({**net.get_compile_config(), "arch_optimizer": {}}),
                            "arch_optimizer=|compile_config=.*is damaged"),
    "batches without pairs": (lambda net: net.fit(data(IMAGES, LABELS), verbose=0), "must be .*images, labels"),
    "Sequence without pairs": (lambda net: net.fit(Sequence(BATCHES[0]), verbose=0), "must be .*images, labels"),
    "train_on_batch": (lambda net: net.train_on_batch(IMAGES, LABELS), "must be .*images, labels"),
    "pairs to evaluate": (lambda net: net.evaluate(pairs(), verbose=0), "must be .images, labels"),
    "images without labels": (lambda net: net.evaluate(IMAGES, verbose=0), "must be .images, labels"),
    "one-hot labels, fit": (lambda net: net.fit(pairs(IMAGES, ONE_HOT), verbose=0), "of one-hot labels tf.argmax"),
    "one-hot labels, arrays": (lambda net: net.fit(IMAGES, ONE_HOT), "of one-hot labels tf.argmax"),
    "one-hot labels, evaluate": (lambda net: net.evaluate(data(IMAGES, ONE_HOT)), "of one-hot labels tf.argmax"),
    "one-hot labels, derive": (lambda net: net.derive(data(IMAGES, ONE_HOT)), "of one-hot labels tf.argmax"),
    "other images, fit": (lambda net: net.fit(pairs(IMAGES[:, :6, :6], LABELS), verbose=0), "images=.*6, 6, 1"),
    "other images, evaluate": (lambda net: net.evaluate(IMAGES[:, :6, :6], LABELS), "images=.*6, 6, 1"),
    "other images, predict": (lambda net: net.predict(IMAGES[0]), "images=.8, 8, 1"),
    "other images, derive": (lambda net: net.derive([(IMAGES[..., [0, 0]], LABELS)]), "images=.*8, 8, 2"),
    "labels of no class": (lambda net: net.evaluate(IMAGES, LABELS + 1), "labels=3: must be 0 to 2"),
    "labels of no class, derive": (lambda net: net.derive([(IMAGES, LABELS - 1)]), "labels=-1: must be 0 to 2"),
    "names of classes": (lambda net: net.evaluate(IMAGES, LABELS.astype(str)), "dtype of the labels=.*numbers"),
    "averaged variables": (lambda net: made(weight_optimizer=tf.keras.optimizers.Adam(use_ema=True)), "use_ema=True"),
    "a large batch": (lambda net: net.fit(IMAGES, LABELS, verbose=0), "batch_size=32: must be 1 to 8"),
    "fewer labels": (lambda net: net.fit(IMAGES, LABELS[1:]), "x, y=.*equally many"),
    "no batches": (lambda net: net.derive([]), "batches=.*are empty"),
    "no batches in a data set": (lambda net: net.derive(data(IMAGES, LABELS).take(0)), "batches=.*are empty"),
    "an iterator": (lambda net: net.derive(iter(data(IMAGES, LABELS))), "batches=.*once only"),
    "a generator": (lambda net: net.derive(endless(BATCHES[0])), "batches='generator': can be read once only"),
    "batches without end": (lambda net: net.derive(data(IMAGES, LABELS).repeat()), "batches=.*never end"),
    "pairs in derive": (lambda net: net.derive(pairs()), "batch=.*must be .images, labels"),
    "HDF5": (lambda net: net.save("s.h5"), "filepath='s.h5': must end in .keras"),
    "SavedModel": (lambda net: net.save("directory"), "filepath='directory': must end in .keras"),
    "SavedModel of Keras": (lambda net: tf.keras.models.save_model(net, "directory"), "format='SavedModel': must end"),
    "SavedModel of TensorFlow": (lambda net: tf.saved_model.save(net, "directory"), "format='SavedModel': must end"),
    "ModelCheckpoint": (lambda net: net.fit(pairs(), verbose=0, callbacks=[callbacks.ModelCheckpoint("best")]),
                        "filepath='best': must end in .keras"),
    "num_classes": (lambda net: Supernet(SPACE, SHAPE, 0), "num_classes=0: must be"),
    "num_classes of a network": (lambda net: build_network(uniform(SPACE, "skip"), SHAPE, 0), "num_classes=0: must be"),
    "input_shape": (lambda net: Supernet(SPACE, (8, 8), 3), r"input_shape=\(8, 8\): must be"),
    "small images": (lambda net: Supernet(BARS_PAPER, (2, 2, 1), 3), "strides"),
    "space": (lambda net: Supernet("bars", SHAPE, 3), "space='bars': must be"),
    "seed": (lambda net: Supernet(SPACE, SHAPE, 3, seed=-1), "seed=-1: must be"),
    "budget": (lambda net: made(budget=1e6), "budget=1000000.0: must be a bars_tf.Budget"),
    "sampling": (lambda net: made(sampling="hard"), "sampling='hard': must be one of"),
    "uniform_share": (lambda net: made(uniform_share=2), "uniform_share=2: must be"),
    "cost_exponent": (lambda net: made(cost_exponent="1"), "cost_exponent='1': must be"),
    "optimizer": (lambda net: made(optimizer="adam"), "optimizer='adam': a supernet has its own"),
    "loss": (lambda net: made(loss="mse"), "loss='mse': a supernet has its own"),
    "metrics": (lambda net: made(metrics=["accuracy"]), "metrics=.*: a supernet has its own"),
    "jit_compile": (lambda net: made(jit_compile=True), "jit_compile=True: XLA cannot"),
    "an unknown optimizer": (lambda net: made(arch_optimizer="mse"), "arch_optimizer='mse': must be an optimizer"),
    "an optimizer for both": (lambda net: made(**dict.fromkeys(
        ("weight_optimizer", "arch_optimizer"), tf.keras.optimizers.Adam())), "arch_optimizer=.*weight_optimizer too"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_supernet_refuses(what, net):
    call, message = REFUSED[what]
    with pytest.raises(ValueError, match=message) as error:
        call(net)
    assert len(str(error.value).splitlines()) == 1


def test_added_losses_count():
    supernet = made(run_eagerly=True)
    supernet.add_loss(lambda: 1e3 * tf.ones(()))
    assert supernet.fit(pairs(), verbose=0).history["loss"][0] > 1e3 < supernet.evaluate(IMAGES, LABELS, verbose=0)[0]


@pytest.mark.parametrize("make", [made, lambda: build_network(uniform(SPACE, "skip"), SHAPE, CLASSES)])
def test_channels_first_is_refused(make):
    """Keras's own setting, by which kernels of the wrong axis would be made."""
    with channels_first(), pytest.raises(ValueError, match="image_data_format='channels_first': networks here"):
        make()


def test_a_search_that_has_diverged_says_so(net):
    alphas = net.arch_variables[0].numpy()
    net.arch_variables[0].assign(alphas * np.nan)
    with pytest.raises(ValueError, match="alphas=nan: the search has diverged"):
        net.derive(data(IMAGES, LABELS))
    net.arch_variables[0].assign(alphas)


def test_layers_that_do_not_train_are_refused(eager):
    eager.layers_by_name["head"].trainable = False
    with pytest.raises(ValueError, match="trainable=False: a supernet trains all layers"):
        eager.compile()  # from which on Keras counts what trains
    eager.layers_by_name["head"].trainable = True


def test_weights_of_images_and_of_classes(eager):
    """With weights of 0 no loss is left; the next `fit` has none of them."""
    def loss(batches, **options):
        return eager.fit(batches, verbose=0, **options).history["loss"][0]

    assert loss(pairs(IMAGES, LABELS, 0 * ONES)) == 0 < loss(pairs(IMAGES, LABELS, ONES))
    for batches in (pairs(), pairs(IMAGES, LABELS, ONES), Sequence(BATCHES)):
        assert loss(batches, class_weight={0: 0, 1: 0, 2: 0.0}) == 0 < loss(batches)
    assert loss(IMAGES, y=LABELS, batch_size=4, sample_weight=0 * ONES) == 0
    assert eager.evaluate(IMAGES, LABELS, sample_weight=0 * ONES, verbose=0)[0] == 0


def test_arrays_are_divided_once_for_all():
    supernet = made()
    numbers = np.arange(16, dtype=np.float32)[:, None, None, None] + np.zeros(SHAPE, np.float32)

    def halves(**options):
        batches, rest = halves_of_arrays(numbers, LABELS, 3, supernet, **options)
        assert rest["validation_data"] is None or len(rest["validation_data"][0]) == 4
        seen = list(zip(*(([int(i) for i in x[:, 0, 0, 0]] for x, _ in pair) for pair in batches)))
        return [set(sum(half, [])) for half in seen]

    weights, alphas = halves(shuffle=False)
    assert len(weights) == len(alphas) == 6 and not weights & alphas
    assert [weights, alphas] == halves(shuffle=False)
    assert max(set.union(*halves(validation_split=0.25))) < 12


def test_steps_per_execution_counts_each_step():
    supernet = made(steps_per_execution=2)
    assert fits(supernet, pairs()) and int(supernet.search_step) == 2
    supernet.compile(run_eagerly=True)  # again
    assert fits(supernet, pairs()) and int(supernet.search_step) == 4


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    """Variables are float32, all alphas move, and the first loss is nearly that of float32."""
    def first_loss(policy):
        tf.keras.utils.set_random_seed(0)
        mixed_precision.set_global_policy(policy)
        try:
            supernet = made()
            return supernet, float(supernet.test_on_batch(IMAGES, LABELS)[0])
        finally:
            mixed_precision.set_global_policy(None)

    (_, expected), (supernet, loss) = first_loss("float32"), first_loss(policy)
    assert loss == pytest.approx(expected, rel=0.05)
    supernet.compile(budget=BUDGET)
    mixed_precision.set_global_policy(policy)
    try:
        copied = copy.deepcopy(supernet)  # as from a file
    finally:
        mixed_precision.set_global_policy(None)
    assert equal(values(copied), values(supernet)) and np.array_equal(copied(IMAGES), supernet(IMAGES))
    assert {v.dtype for v in supernet.variables if v.dtype.is_floating} == {tf.float32}
    assert supernet(IMAGES).dtype == tf.float32
    before = [v.numpy() for v in supernet.trainable_variables]
    assert fits(supernet, pairs(), epochs=2)
    supernet.compile(budget=BUDGET, sampling="softmax", run_eagerly=True)  # computes all candidates
    assert fits(supernet, pairs())
    assert all((a != v.numpy()).any() and np.isfinite(v.numpy()).all()
               for a, v in zip(before, supernet.trainable_variables))
    assert supernet.derive(BATCHES, num_samples=1).space == SPACE
    assert hasattr(supernet.arch_optimizer, "loss_scale") == (policy == "mixed_float16")


def test_a_policy_of_few_digits_alone_is_refused():
    mixed_precision.set_global_policy("bfloat16")
    try:
        with pytest.raises(ValueError, match="dtype policy='bfloat16': has too few digits"):
            made()
    finally:
        mixed_precision.set_global_policy(None)


def test_a_warm_up_leaves_no_gaps_in_the_history(net, tmp_path):
    """What the alphas have no value of is NaN, in the history and in Keras's own log."""
    history = net.fit(pairs(), epochs=3, verbose=0, callbacks=[
        phases.Phases(3, 1, schedules.linear(1, 1), schedules.linear(0, 0)), phases.RaiseOnNaN("search", "", (0, 0)),
        callbacks.CSVLogger(tmp_path / "keras.csv"), phases.CSVLogger(str(tmp_path / "own.csv"))]).history
    assert {len(values) for values in history.values()} == {3}
    assert np.isnan(history["arch_loss"]).tolist() == [True, False, False]
    for name in ("keras.csv", "own.csv"):
        rows = list(csv.DictReader((tmp_path / name).open()))
        assert [math.isnan(float(row["arch_accuracy"])) for row in rows] == [True, False, False]
