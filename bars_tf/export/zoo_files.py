"""The files of a Larq Zoo model: NAME.py, NAME.h5, weights with and without the classifier, NAME.json, README.md."""

import json
import re
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2

from bars_tf.export.plain_c.package import PlainC
from bars_tf.export.plain_c.proof import NOISE_IMAGES
from bars_tf.export.proof import Proof
from bars_tf.export.zoo_module import Facts, memory, module_text
from bars_tf.files import sha256, write_json
from bars_tf.legacy_keras import tf
from bars_tf.space.genotype import Genotype


def write(directory: Path, name: str, genotype: Genotype, model: tf.keras.Model, facts: Facts) -> None:
    """Writes code and weights in the zoo's format for `model`, the trained network of `genotype`."""
    path = directory / f"{name}.py"
    path.write_text(module_text(name, genotype, facts), encoding="utf-8")
    make = load_function(path)
    weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    hashes = []
    for include_top, ending in ((True, "_weights"), (False, "_weights_notop")):
        zoo_model = make(weights=None, include_top=include_top)
        for layer in zoo_model.layers:
            if layer.weights:
                layer.set_weights(weights[layer.name])
        file = directory / f"{name}{ending}.h5"
        zoo_model.save_weights(file)
        hashes.append(sha256(file))
        if include_top:
            zoo_model.save(directory / f"{name}.h5", include_optimizer=False, save_format="h5")
            (directory / f"{name}.json").write_text(zoo_model.to_json(), encoding="utf-8")
    path.write_text(module_text(name, genotype, facts, hashes), encoding="utf-8")


def load_function(path: Path) -> Callable[..., tf.keras.Model]:
    """The model function of a NAME.py that this process has written."""
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    # Not by the import system, which would leave a cache of byte code among the files.
    exec(compile(path.read_text(encoding="utf-8"), path, "exec", dont_inherit=True), module.__dict__)
    return getattr(module, path.stem)


def add_to_json(path: Path, facts: Facts, proof: Proof | None, plain_c: PlainC | None) -> None:
    """Adds labels, preprocessing, metrics and the contents of the deployment files to NAME.json.

    The file holds the configuration of the Keras model; `model_from_json` ignores the additions.
    """
    values = json.loads(path.read_text(encoding="utf-8"))
    values["labels"] = list(facts.class_names)
    values["preprocessing"] = {"input_shape": list(facts.input_shape), "mean": list(facts.mean), "std": list(facts.std),
                               "formula": "(image / 255 - mean) / std",
                               **({"resized_to_then_center_cropped": list(facts.resized)} if facts.resized else {})}
    values["metrics"] = {"dataset": facts.dataset, "test_accuracy": facts.accuracy, "test_images": facts.images,
                         **facts.cost.to_dict()}
    values["deployment"] = proof and proof.to_dict()
    values["plain_c"] = plain_c and plain_c.to_dict()
    write_json(path, values)


def write_card(directory: Path, name: str, genotype: Genotype, facts: Facts, formats: Sequence[str],
               proof: Proof | None, plain_c: PlainC | None, commands: Sequence[str]) -> None:
    """Writes `README.md`: figures, proof, use, labels, files.

    Args:
        directory: has all other files of the export.
        proof: of the deployment file; None without one.
        plain_c: the network in C; None without it.
        commands: that repeat the run and the export.
    """
    environment = jinja2.Environment(loader=jinja2.PackageLoader("bars_tf.export"), trim_blocks=True,
                                     keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    environment.filters["escaped"] = escaped
    floats = [op.name for op in proof.contents.convolutions if not op.is_binary] if proof else []
    text = environment.get_template("model_card.md").render(
        name=name, genotype=genotype, facts=facts, formats=formats, proof=proof, plain_c=plain_c, floats=floats,
        memory=memory(facts.cost), noise_images=NOISE_IMAGES, shape="x".join(map(str, facts.input_shape)),
        commands=commands, files=sorted(directory.iterdir()), sha256=sha256)
    (directory / "README.md").write_text(text, encoding="utf-8")


def escaped(text: str) -> str:
    """A text of others as plain words of a Markdown line: neither markup nor HTML, no line break."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
