"""The generated Python of a Larq Zoo model: what every network has around its layers.

Strings of others (class names, the name of the data set) get into the code as `repr` writes them, or without whatever
is no letter, digit or plain sign.
"""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from importlib import metadata
from typing import NamedTuple

from bars_tf.cost.tables import Cost
from bars_tf.export.zoo_network import network_code
from bars_tf.space.genotype import Genotype

LINE_LENGTH = 120

MODULE = '''\
"""A binary neural network for $dataset, found by bars_tf.

`$name` makes the model.
`preprocess_input` prepares images for it. The trained weights are the files beside this one. Needs tensorflow, larq and
larq-zoo.
"""

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Larq is written for Keras 2, and which one tf.keras is gets settled when TensorFlow is imported.
if (
    "tensorflow" in sys.modules
    and "TF_USE_LEGACY_KERAS" not in os.environ
    and [int(n) for n in sys.modules["tensorflow"].__version__.split(".")[:2]] >= [2, 16]
):
    raise ImportError("needs Keras 2: import this before TensorFlow, or set TF_USE_LEGACY_KERAS=1 before that")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import larq as lq
import tensorflow as tf
from larq_zoo.core import utils
from larq_zoo.core.model_factory import ModelFactory
from zookeeper import Field, factory

INPUT_SHAPE = $input_shape
CLASS_NAMES = $class_names
# Of the training images, a channel, where 255 is 1.
MEAN = $mean
STD = $std
# Files of the trained weights and their SHA-256, with the head and without.
WEIGHTS = {
    True: (
        "$name_weights.h5",
        "$sha256_top",
    ),
    False: (
        "$name_weights_notop.h5",
        "$sha256_notop",
    ),
}
$constants

def preprocess_input(images):
    """Images [..., height, width, channels] of numbers from 0 to 255 as the network expects them, float32."""
    scale = tf.constant([1 / (255 * std) for std in STD], tf.float32)
    offset = tf.constant([mean / std for mean, std in zip(MEAN, STD, strict=True)], tf.float32)
    return tf.cast(images, tf.float32) * scale - offset


def trained_weights(include_top: bool) -> str:
    """Path of the trained weights. Raises: ValueError if they are not those that belong to this file."""
    name, sha256 = WEIGHTS[include_top]
    path = Path(__file__).with_name(name)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(f"{path}: damaged or of another export: SHA-256 is {found}, expected is {sha256}")
    return str(path)


@factory
class $class_name(ModelFactory):
    """$description"""

    name = "$name"
    input_tensor: object = Field(None)  # Larq Zoo's own type leaves out Keras tensors of newer TensorFlows
$attributes
$methods
    def build(self) -> tf.keras.models.Model:
        x = self.stem(self.image_input)
$build        if self.include_top:
            x = tf.keras.layers.GlobalAveragePooling2D()(x)
            x = tf.keras.layers.Dense(self.num_classes, name="head")(x)
        model = tf.keras.Model(self.image_input, x, name=self.name)
        if self.weights is not None:
            model.load_weights(self.weights)
        return model


def $name(
    *,  # Keyword arguments only
    input_shape: Sequence[int | None] | None = None,
    input_tensor: utils.TensorType | None = None,
    weights: str | None = "trained",
    include_top: bool = True,
    num_classes: int = $num_classes,
) -> tf.keras.models.Model:
    """Instantiates the network.

    # Metrics on $dataset

    | Top-1 accuracy | Parameters | Memory |
    | -------------- | ---------- | ------ |
    | $accuracy | $params | $memory |

    # Arguments
        input_shape: shape of the images; by default $input_shape.
        input_tensor: optional Keras tensor to use as image input.
        weights: "trained" (on $dataset),
            None (random initialization), or the path of a file of weights.
        include_top: whether to include the average over all pixels and the classifier.
        num_classes: number of classes of the classifier; $num_classes with the trained weights.

    # Returns
        A Keras model from images, prepared by `preprocess_input`, to logits; without top to features.

    # Raises
        ValueError: trained weights for another number of classes or channels, weights that are not those that belong
            to this file, or no such file.
    """
    input_shape = INPUT_SHAPE if input_shape is None else tuple(input_shape)
    if weights == "trained":
        if include_top and num_classes != $num_classes:
            raise ValueError(f"trained weights are for $num_classes classes, not {num_classes}; use include_top=False")
        if input_shape[-1] != INPUT_SHAPE[-1]:
            raise ValueError(f"trained weights are for images of {INPUT_SHAPE[-1]} channels, not {input_shape[-1]}")
        weights = trained_weights(include_top)
    elif weights is not None and not os.path.isfile(weights):
        raise ValueError(f"weights={weights!r}: no such file; use a path, 'trained' or None")
    return $class_name(
        input_shape=input_shape,
        input_tensor=input_tensor,
        weights=weights,
        include_top=include_top,
        num_classes=num_classes,
    ).build()
'''

# What the generated module defines or imports itself; "Model" would make a class ModelFactory.
OWN_NAMES = re.compile("CLASS_NAMES|Field|INPUT_SHAPE|MEAN|Model|ModelFactory|NORMAL.*|PRIMITIVES|Path|REDUCTION.*|STD|"
                       "STEM|Sequence|WEIGHTS|body|factory|images|logits|lq|model|preprocess_input|tf|trained_weights|utils")


class Facts(NamedTuple):
    """What a network was trained on and how well it does. `mean` and `std` a channel, in units of 255; `resized`: the
    height and width that images of varying sizes were brought to before the middle was cut out."""

    dataset: str
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    accuracy: float
    images: int
    cost: Cost
    resized: tuple[int, int] | None = None


def check_name(name: str) -> None:
    """Raises: ValueError if a model cannot be called so, telling what a name may be."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
        raise ValueError("must be a letter and up to 63 letters, digits and underscores")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name):
        raise ValueError("is a word of Python; choose another name")
    if OWN_NAMES.fullmatch(name):
        raise ValueError("is used in the generated code; choose another name")
    if name in sys.stdlib_module_names or name in metadata.packages_distributions():
        raise ValueError("is a Python package, which NAME.py would hide; choose another name")


def module_code(name: str, genotype: Genotype, facts: Facts, sha256_top: str, sha256_notop: str) -> str:
    """The text of NAME.py. `name` has passed `check_name`."""
    code = network_code(genotype)
    values = {
        "class_name": f"{name}Factory", "class_names": _literal(facts.class_names), "constants": code.constants,
        "attributes": code.attributes, "methods": code.methods, "build": code.build,
        "description": "Stem, stages of cells, head.", "input_shape": repr(tuple(facts.input_shape)),
        "mean": _literal(facts.mean), "std": _literal(facts.std), "sha256_top": sha256_top,
        "sha256_notop": sha256_notop, "num_classes": str(len(facts.class_names)), "name": name,
        "accuracy": f"{facts.accuracy:.2%} of {facts.images:,} test images", "params": f"{facts.cost.params:,}",
        "memory": memory(facts.cost), "dataset": plain(facts.dataset)}
    # In one pass: what is filled in is not looked through again.
    return re.sub(r"\$(" + "|".join(sorted(values, key=len, reverse=True)) + ")", lambda m: values[m[1]], MODULE)


def memory(cost: Cost) -> str:
    """Bytes of the weights, binary ones as bits, in words."""
    return f"{cost.size_bytes / 1e6:.2f} MB" if cost.size_bytes >= 1e6 else f"{cost.size_bytes / 1e3:.1f} kB"


def plain(text: str) -> str:
    """A text of others as part of a sentence: letters, digits and a few signs."""
    return re.sub(r"[^\w .:/-]", "_", text[:40])


def _literal(values: tuple) -> str:
    """A tuple as Python, one value a line if there are many."""
    line = repr(tuple(values))
    if len(line) <= LINE_LENGTH - 20:
        return line
    lines = [f"    {value!r}," for value in values]
    return "\n".join(("(", *(f"{line}  # noqa: E501" if len(line) > LINE_LENGTH else line for line in lines), ")"))
