"""The named networks of this package: found here, trained long, and ready to use, to fine-tune or to export."""

import dataclasses
import io
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf.cost import device
from bars_tf.cost.tables import cost_at
from bars_tf.data.augmentation import prepare_for_evaluation
from bars_tf.data.image_data import ImageData
from bars_tf.data.settings import DataSettings
from bars_tf.data.splits import load_splits
from bars_tf.errors import FieldError
from bars_tf.export.named import DIRECTORY, INDEX, WEIGHTS, directory, names
from bars_tf.files import read_json, sha256, write_bytes, write_json
from bars_tf.legacy_keras import lq, tf
from bars_tf.network.builder import check_arguments
from bars_tf.network.keras_network import build_network
from bars_tf.network.model_files import load_model
from bars_tf.report.run_files import GENOTYPE, MODEL, SUMMARY
from bars_tf.report.text_table import table_text
from bars_tf.space.genotype import Genotype, made_for
from bars_tf.training.evaluation import accuracy

# The first test images: how many of them a network gives the right class is part of its summary, for a test.
GOLDEN_IMAGES = 500
# The device for which the table estimates a time.
BOARD = "rpi4b"
COLUMNS = ("name", "data", "input", "test accuracy", "BOPs", "FLOPs", "bytes", "peak bytes", f"ms ({BOARD}, estimated)",
           "seed", "command")


class NamedNetwork(NamedTuple):
    """A row of `list()`.

    Attributes:
        data: name of the data set that it was trained on.
        input_shape: (height, width, channels) of the images.
        test_accuracy: of all test images of the data set.
        bops, flops: multiply-accumulates of one image.
        size_bytes, peak_bytes: of the parameters, and the most of float activations at one time.
        milliseconds: of one image on the board `BOARD`, estimated.
        seed, command: of the training.
    """

    name: str
    data: str
    input_shape: tuple[int, int, int]
    test_accuracy: float
    bops: float
    flops: float
    size_bytes: float
    peak_bytes: float
    milliseconds: float
    seed: int
    command: str


class Table(list[NamedNetwork]):
    """Named networks, shown as a table."""

    def __str__(self) -> str:
        rows = [COLUMNS, *((n.name, n.data, "x".join(map(str, n.input_shape)), f"{n.test_accuracy:.2%}",
                            f"{n.bops:,.0f}", f"{n.flops:,.0f}", f"{n.size_bytes:,.0f}", f"{n.peak_bytes:,.0f}",
                            f"{n.milliseconds:.2f}", str(n.seed), n.command) for n in self)]
        return table_text(rows, left=range(len(COLUMNS)))

    __repr__ = __str__


def list() -> Table:  # noqa: A001 - as `bars.zoo.list()`
    """All named networks, the columns of `NamedNetwork`; `print` shows them as a table."""
    return Table(map(_row, names()))


def _row(name: str) -> NamedNetwork:
    values, summary = read_json(DIRECTORY / name / GENOTYPE), read_json(DIRECTORY / name / SUMMARY)
    shape, classes = made_for(values)
    cost = cost_at(Genotype.from_dict(values), shape, classes, device.load(BOARD))
    return NamedNetwork(name, summary["dataset"], shape, summary["test_accuracy"], cost.bops, cost.flops,
                        cost.size_bytes, cost.peak_bytes, cost.latency_us / 1000, summary["seed"], summary["command"])


def load(name: str, weights: str | None = "trained", num_classes: int | None = None,
         input_shape: tuple[int, int, int] | None = None) -> tf.keras.Model:
    """Builds a named network as a Keras model, from images [B, *input_shape] to logits [B, num_classes].

    `preprocess_input` prepares images for it.

    Args:
        weights: "trained", or the name of the data set that it was trained on; None: random ones.
        num_classes: for other classes the classifier gets random weights.
        input_shape: other sizes keep all weights, as no layer depends on the size; another number of channels needs
            `weights=None`.
    Raises: FieldError naming the argument that does not fit.
    """
    path = directory(name)
    values, data = read_json(path / GENOTYPE), read_json(path / SUMMARY)["dataset"]
    own_shape, own_classes = made_for(values)
    shape = own_shape if input_shape is None else input_shape
    classes = own_classes if num_classes is None else num_classes
    check_arguments(Genotype.from_dict(values).space, shape, classes)
    shape = tuple(map(int, shape))
    if weights not in (None, "trained", data):
        raise FieldError("weights", weights, f"must be \"{data}\" or None")
    if weights and shape[2:] != own_shape[2:]:
        raise FieldError("input_shape", shape, f"the weights are for {own_shape[2]} channels; give weights=None")
    model = build_network(Genotype.from_dict(values), shape, classes, name=name)
    if weights:
        stored = np.load(path / WEIGHTS, allow_pickle=False)
        for layer in model.layers:
            if layer.weights and (layer is not model.layers[-1] or classes == own_classes):
                layer.set_weights([_unpacked(stored, f"{layer.name}/{i}", weight.shape)
                                   for i, weight in enumerate(layer.weights)])
    return model


def _unpacked(stored: Any, key: str, shape: tuple[int, ...]) -> np.ndarray:
    if key in stored:
        return stored[key]
    signs = np.unpackbits(stored[f"{key}/signs"], count=math.prod(shape)).reshape(shape)
    if f"{key}/magnitudes" in stored:
        magnitudes = stored[f"{key}/magnitudes"]
    else:  # as of initial weights: with those of trained ones no sign would change in the first hundreds of steps
        magnitudes = math.sqrt(2 / ((shape[2] + shape[3]) * math.prod(shape[:2])))
    return (np.where(signs, 1, -1) * magnitudes).astype(np.float32)


def prepared_for(name: str, images: ImageData) -> ImageData:
    """The same images with the statistics that a named network was trained with."""
    summary = read_json(directory(name) / SUMMARY)
    return dataclasses.replace(images, mean=tuple(summary["mean"]), std=tuple(summary["std"]))


def genotype(name: str) -> Genotype:
    """The genotype of a named network. Raises: FieldError for another name."""
    return Genotype.load(directory(name) / GENOTYPE)


def preprocess_input(name: str, images: Any) -> tf.Tensor:
    """Prepares images [B, H, W, C] of values 0 to 255 for a named network: float32 [B, *input_shape].

    Of larger images the centre is taken. Raises: FieldError for another name, and for what are no such images.
    """
    summary, shape = read_json(directory(name) / SUMMARY), made_for(read_json(directory(name) / GENOTYPE))[0]
    try:
        images = tf.convert_to_tensor(images)
    except (TypeError, ValueError):  # such as images of several sizes
        images = tf.constant("")
    if images.dtype == tf.string or images.shape.rank not in (3, 4) or images.shape[-1] != shape[-1]:
        raise FieldError("shape of the images", tuple(images.shape), f"must be (B, H, W, {shape[-1]}), of numbers from "
                         "0 to 255")
    return prepare_for_evaluation(images, shape[:2], summary["mean"], summary["std"])


def add(run: Path, name: str, command: str, data_dir: str) -> None:
    """Adds the network of a finished work directory to the package.

    Args:
        command: that trained it.
        data_dir: where its data set is.
    """
    place, genotype, weights = DIRECTORY / name, Genotype.load(run / GENOTYPE), {}
    for layer in load_model(str(run / MODEL), "workdir").layers:
        for i, values in enumerate(layer.get_weights()):
            if isinstance(layer, lq.layers.QuantConv2D):
                weights[f"{layer.name}/{i}/signs"] = np.packbits(values >= 0)
                if genotype.space.kernel_quantizer != "ste_sign":  # which computes with signs alone
                    weights[f"{layer.name}/{i}/magnitudes"] = np.abs(values).mean(axis=(0, 1, 2))
            else:
                weights[f"{layer.name}/{i}"] = values
    memory = io.BytesIO()
    np.savez_compressed(memory, **weights)
    write_bytes(place / WEIGHTS, memory.getvalue())
    write_bytes(place / GENOTYPE, (run / GENOTYPE).read_bytes())
    summary = read_json(run / SUMMARY)
    test = load_splits(DataSettings(dataset=summary["dataset"], data_dir=data_dir)).test
    kept = {key: summary[key] for key in ("space", "dataset", "seed", "precision", "cost", "train_epochs",
                                          "test_accuracy", "test_images", "class_names")}
    kept |= {"mean": test.mean, "std": test.std, "command": command}
    write_json(place / SUMMARY, kept)
    write_json(INDEX, {**read_json(INDEX), name: sha256(place / WEIGHTS)})
    some = dataclasses.replace(test, indices=test.indices[:GOLDEN_IMAGES])
    share, count = accuracy(load(name), some, 100, 0, "golden")
    write_json(place / SUMMARY, {**kept, "golden_correct": round(share * count)})


if __name__ == "__main__":
    add(Path(sys.argv[1]), *sys.argv[2:])
