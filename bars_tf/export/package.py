"""`bin/export`: hands a trained network over as a Larq Zoo model and as a deployment file, and proves what they are."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf.cli import command_line
from bars_tf.cli.workdir import CONFIG, program_of
from bars_tf.config import SearchConfig
from bars_tf.cost import tables as complexity
from bars_tf.data import pipeline as data
from bars_tf.data.pipeline import ImageData
from bars_tf.data.splits import load_splits
from bars_tf.errors import Failure, InputError, blame
from bars_tf.export import conversion, model_card, proof, zoo_files, zoo_module
from bars_tf.export import tflite_file as tflite
from bars_tf.files import read_json
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.space.genotype import Genotype
from bars_tf.training.evaluation import load_model

PROOF_IMAGES = 512


class Run(NamedTuple):
    """A finished run: `config` has the settings of its data, `summary` is what `summary.json` says."""

    directory: Path
    config: SearchConfig
    genotype: Genotype
    model: tf.keras.Model
    summary: dict[str, Any]


def main(config: SearchConfig) -> int:
    with blame("name", config.name):
        zoo_module.check_name(config.name)
    output = Path(config.output)
    check_output(config, output)
    run = read_run(config)
    test = load_splits(run.config.data).test
    facts = _facts(run, test)
    images = _proof_images(test)
    with _beside(output) as directory:
        logits = predict(run.model, images)
        deployment = _deploy(config, run, directory, images, logits)
        zoo_files.write(directory, config.name, run.genotype, run.model, facts)
        _require_equal(directory, config.name, logits, images)
        _note(f"model.h5, {config.name}.h5 and {config.name}() are equal to the last bit on {len(images)} test images")
        zoo_files.add_to_json(directory / f"{config.name}.json", facts, deployment)
        model_card.write(directory, config, run.genotype, facts, deployment)
        _move(directory, output, config.name)
    print(f"{output}/: {', '.join(sorted(path.name for path in output.glob(f'{config.name}*')))}, README.md")
    return 0


# The run


def read_run(config: SearchConfig) -> Run:
    """Raises: InputError telling which step is missing, or what does not fit."""
    directory = Path(config.workdir)

    def refuse(reason: str):
        raise InputError.of("workdir", config.workdir, reason)

    if not directory.is_dir():
        refuse("no such directory")
    if not (directory / CONFIG).exists():
        refuse(f"has no {CONFIG}, so it is no work directory of bin/search or bin/train")
    again = f"`bin/{program_of(directory)} --flagfile={directory / CONFIG}` goes on"
    if (directory / "model.h5").exists() and not (directory / "genotype.json").exists():
        refuse("holds a reference without a genotype, which is for comparison alone")
    for name, step in (("genotype.json", "search"), ("model.h5", "training"), ("summary.json", "test")):
        if not (directory / name).exists():
            refuse(f"has no {name}: its {step} has not finished; {again}")
    with blame("workdir", config.workdir):
        genotype = Genotype.load(directory / "genotype.json")
        summary = read_json(directory / "summary.json")
        missing = {"test_accuracy", "test_images", "cost"} - set(summary if isinstance(summary, dict) else ())
        if missing:
            raise ValueError(f"summary.json: has no {', '.join(sorted(missing))}")
    if summary.get("precision", "binary") != "binary":
        refuse("holds a float twin, which has no binary convolution to deploy; export the run of its genotype")
    model = load_model(str(directory / "model.h5"), "workdir")
    network = build_network(genotype, model.input_shape[1:], model.output_shape[-1])
    if _layers(model) != _layers(network):
        refuse("model.h5 is not the network of genotype.json")
    run = command_line.parse("evaluate", [f"--flagfile={directory / CONFIG}", f"--model={directory / 'model.h5'}"])
    moved = {name: value for name in ("data_dir", "image_dir") if (value := getattr(config, name))}
    run = run.replace(**moved)
    return Run(directory, run, genotype, model, summary)


def _layers(model: tf.keras.Model) -> list[tuple]:
    return [(layer.name, type(layer).__name__, [tuple(w.shape) for w in layer.weights])
            for layer in model.layers if layer.weights]


def _facts(run: Run, test: ImageData) -> zoo_module.Facts:
    shape, classes = run.model.input_shape[1:], run.model.output_shape[-1]
    if (test.image_shape, test.num_classes) != (shape, classes):
        raise InputError.of("workdir", run.directory, f"model.h5 is for images {shape} of {classes} classes, its data "
                            f"set has {test.image_shape} of {test.num_classes}")
    cost = complexity.cost(run.genotype, complexity.cost_tables(run.genotype.space, shape, classes))
    return zoo_module.Facts(run.config.data_name, shape, test.class_names, tuple(map(float, test.mean)),
                          tuple(map(float, test.std)),
                          float(run.summary["test_accuracy"]), int(run.summary["test_images"]), cost,
                          test.records.shape[:2] if test.records.shape != shape else None)


# The proof


def _proof_images(test: ImageData) -> np.ndarray:
    some = dataclasses.replace(test, indices=test.indices[:PROOF_IMAGES])
    return np.concatenate([x.numpy() for x, _ in data.batches(some, 128)])


def predict(model: tf.keras.Model, images: np.ndarray, batch_size: int = 128) -> np.ndarray:
    """Logits [images, classes], computed by the processor: other devices round otherwise."""
    with tf.device("/CPU:0"):
        parts = [model(images[i: i + batch_size], training=False).numpy() for i in range(0, len(images), batch_size)]
    return np.concatenate(parts)


def _require_equal(directory: Path, name: str, logits: np.ndarray, images: np.ndarray) -> None:
    models = {f"{name}()": zoo_files.load_function(directory / f"{name}.py")(),
              f"{name}.h5": load_model(str(directory / f"{name}.h5"), "output")}
    for what, model in models.items():
        found = predict(model, images)
        if not np.array_equal(logits, found):
            raise Failure(f"{what} is not model.h5: logits differ by up to {np.abs(logits - found).max():.3g} on "
                          f"{(logits != found).any(axis=1).sum()} of {len(images)} test images")


def _deploy(config: SearchConfig, run: Run, directory: Path, images: np.ndarray,
            logits: np.ndarray) -> model_card.Deployment | None:
    """Writes NAME.tflite and proves it; None where it cannot be made here."""
    if not conversion.is_available():
        print(f"export: no {config.name}.tflite, all else is written: {conversion.MISSING}", file=sys.stderr)
        return None
    _note("converting")
    fusible = conversion.fusible(run.genotype, run.model)
    converted = conversion.convert(fusible)
    contents = tflite.parse(converted)
    problems = proof.fallbacks(run.model, contents)
    _refuse_or_warn(config, problems)
    in_file = conversion.interpreter(converted)(images)
    agreement = proof.agreement(logits, in_file)
    rounded = proof.agreement(predict(conversion.with_engine_rounding(fusible), images), in_file)
    if not (agreement.holds or rounded.holds):
        problems.append(f"the file does not compute what was trained: {agreement}; needed are "
                        f"{proof.CLOSE_SHARE:.0%} and {proof.SAME_CLASS_SHARE:.0%}")
        _refuse_or_warn(config, problems[-1:])
    binary = sum(op.is_binary for op in contents.convolutions)
    left = ", ".join(f"{count} {kind}" for kind, count in contents.unfused.items())
    _note(f"{config.name}.tflite: {binary} binary convolutions, {len(contents.convolutions) - binary} float ones; left "
          f"unfused: {left}; {contents.size_bytes:,} bytes")
    _note(f"{config.name}.tflite: {agreement}; of the network rounded as the engine does: {rounded.close:,} within "
          f"it, {rounded.same_class:,} of the same class")
    if not agreement.holds and rounded.holds:
        _note(f"warning: the file computes the network, but the engine's rounding flips signs in it on "
              f"{agreement.images - agreement.close:,} images; judge it by bin/evaluate --model={config.name}.tflite")
    (directory / f"{config.name}.tflite").write_bytes(converted)
    return model_card.Deployment(contents, agreement, rounded, tuple(problems))


def _refuse_or_warn(config: SearchConfig, problems: list[str]) -> None:
    if problems and not config.allow_float_fallback:
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        raise Failure(f"refused: {problems[0]}{more}; --allow_float_fallback writes the file all the same")
    for problem in problems:
        print(f"export: warning: {problem}", file=sys.stderr)


# The output


def check_output(config: SearchConfig, output: Path) -> None:
    """Raises: InputError where the files must not or cannot be written."""
    with blame("output", config.output):
        if output.exists() and not output.is_dir():
            raise ValueError("is a file; name a directory")
        if output.is_dir() and any(output.iterdir()) and not config.overwrite:
            raise ValueError("has files already; name another directory, or add --overwrite")


@contextlib.contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A directory beside `output` that is gone afterwards."""
    path = output.resolve()
    directory = path.with_name(f".{path.name}.tmp{os.getpid()}")
    with blame("output", output):
        directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _move(directory: Path, output: Path, name: str) -> None:
    with blame("output", output):
        if not os.path.lexists(output):
            os.replace(directory, output)  # all at once
            return
        (output / f"{name}.tflite").unlink(missing_ok=True)  # that of an earlier network, if there is none of this one
        for path in directory.iterdir():
            os.replace(path, output / path.name)


def _note(text: str) -> None:
    print(f"export: {text}", file=sys.stderr)
