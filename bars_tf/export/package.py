"""The export of a finished run: a Larq Zoo model, a deployment file, plain C, and the proof of all."""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf import console
from bars_tf.cost.device import Device
from bars_tf.cost.tables import cost_of, cost_tables
from bars_tf.data import pipeline
from bars_tf.data.pipeline import ImageData
from bars_tf.errors import Failure, InputError, blame
from bars_tf.export import conversion, named, proof, zoo, zoo_files
from bars_tf.export.agreement import predict
from bars_tf.export.plain_c.package import PlainC, write_and_prove
from bars_tf.export.proof import Proof
from bars_tf.export.settings import ExportSettings
from bars_tf.export.zoo_module import Facts
from bars_tf.files import read_json
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.network.model_files import load_model
from bars_tf.report.run_files import DEVICE, GENOTYPE, MODEL, SUMMARY
from bars_tf.space.genotype import Genotype

PROOF_IMAGES = 512


class FinishedRun(NamedTuple):
    """The results of a work directory; `summary` is the content of `summary.json`."""

    directory: Path
    genotype: Genotype
    model: tf.keras.Model
    summary: dict[str, Any]


def read_run(directory: Path, resume: str) -> FinishedRun:
    """Reads the results of a run; `resume` is the command that finishes an unfinished one.

    Raises: InputError naming the step that is missing, or the file that does not fit.
    """
    with blame("workdir", directory):
        for name, step in ((GENOTYPE, "search"), (MODEL, "training"), (SUMMARY, "test")):
            if not (directory / name).exists():
                raise ValueError(f"has no {name}: its {step} has not finished; `{resume}` resumes it")
        genotype, summary = Genotype.load(directory / GENOTYPE), read_json(directory / SUMMARY)
        missing = {"test_accuracy", "test_images", "cost"} - set(summary if isinstance(summary, dict) else ())
        if missing:
            raise ValueError(f"{SUMMARY}: has no {', '.join(sorted(missing))}")
        if summary.get("precision", "binary") != "binary":
            raise ValueError("holds a float twin, which has no binary convolution to deploy; export the run of its "
                             "genotype")
        model = load_model(str(directory / MODEL), "workdir")
        if _layers(model) != _layers(build_network(genotype, model.input_shape[1:], model.output_shape[-1])):
            raise ValueError(f"{MODEL} is not the network of {GENOTYPE}")
    return FinishedRun(directory, genotype, model, summary)


def named_run(name: str) -> FinishedRun:
    """A named network as a finished run. Raises: FieldError for another name."""
    directory = named.directory(name)
    return FinishedRun(directory, zoo.genotype(name), zoo.load(name), read_json(directory / SUMMARY))


def _layers(model: tf.keras.Model) -> list[tuple]:
    return [(layer.name, type(layer).__name__, [tuple(w.shape) for w in layer.weights])
            for layer in model.layers if layer.weights]


def export(settings: ExportSettings, run: FinishedRun, dataset: str, test: ImageData, commands: Sequence[str]) -> None:
    """Writes all files of the export into `settings.output`, or none of them.

    Args:
        dataset: name of the run's data.
        test: its test images, on the first `PROOF_IMAGES` of which the files are proven.
        commands: that repeat the run and the export, for the model card.
    Raises:
        InputError: images that the model is not for, or an output that cannot be written.
        Failure: a file that does not compute what was trained, or is not the binary network.
    """
    name, facts = settings.name, facts_of(run, dataset, test)
    some = dataclasses.replace(test, indices=test.indices[:PROOF_IMAGES])
    images, labels = (np.concatenate(parts) for parts in zip(
        *((x.numpy(), y.numpy()) for x, y in pipeline.batches(some, 128))))
    with _beside(settings.output) as directory:
        logits = predict(run.model, images)
        proven = _deploy(settings, run, directory, images, logits) if "tflite" in settings.formats else None
        plain_c = _write_c(settings, run, directory, facts, images, labels, logits) if "c" in settings.formats else None
        if "zoo" in settings.formats:
            zoo_files.write(directory, name, run.genotype, run.model, facts)
            _require_equal(directory, name, logits, images)
            _say(f"{MODEL}, {name}.h5 and {name}() are equal to the last bit on {len(images)} test images")
            zoo_files.add_to_json(directory / f"{name}.json", facts, proven, plain_c)
        zoo_files.write_card(directory, name, run.genotype, facts, settings.formats, proven, plain_c, commands)
        missing = "tflite" in settings.formats and proven is None
        _move(directory, Path(settings.output), [f"{name}.tflite"] if missing else [])


def facts_of(run: FinishedRun, dataset: str, test: ImageData) -> Facts:
    """The figures and the data of a run. Raises: InputError if the model is not for such images."""
    shape, classes = run.model.input_shape[1:], run.model.output_shape[-1]
    if (test.image_shape, test.num_classes) != (shape, classes):
        raise InputError.of("workdir", run.directory, f"{MODEL} is for images {shape} of {classes} classes, its data "
                            f"set has {test.image_shape} of {test.num_classes}")
    kept = run.directory / DEVICE
    with blame("workdir", run.directory):
        device = Device.from_dict(read_json(kept)) if kept.exists() else None
    cost = cost_of(run.genotype, cost_tables(run.genotype.space, shape, classes, device))
    return Facts(dataset, shape, test.class_names, tuple(map(float, test.mean)), tuple(map(float, test.std)),
                 float(run.summary["test_accuracy"]), int(run.summary["test_images"]), cost,
                 test.records.shape[:2] if test.records.shape != shape else None,
                 f"{device.name} ({device.description})" if device else "")


def _require_equal(directory: Path, name: str, logits: np.ndarray, images: np.ndarray) -> None:
    models = {f"{name}()": zoo_files.load_function(directory / f"{name}.py")(),
              f"{name}.h5": load_model(str(directory / f"{name}.h5"), "output")}
    for what, model in models.items():
        found = predict(model, images)
        if not np.array_equal(logits, found):
            raise Failure(f"{what} is not {MODEL}: logits differ by up to {np.abs(logits - found).max():.3g} on "
                          f"{(logits != found).any(axis=1).sum()} of {len(images)} test images")


def _deploy(settings: ExportSettings, run: FinishedRun, directory: Path, images: np.ndarray,
            logits: np.ndarray) -> Proof | None:
    """Writes NAME.tflite and proves it; None where the engine is not installed."""
    file = f"{settings.name}.tflite"
    if not conversion.is_available():
        if settings.format:
            raise InputError.of("format", settings.format, conversion.MISSING)
        _say(f"no {file}, all else is written: {conversion.MISSING}")
        return None
    _say("converting")
    fusible = conversion.fusible(run.genotype, run.model)
    converted = conversion.convert(fusible)
    found = proof.prove(run.model, fusible, converted, images, logits)
    contents, agreement, rounded, problems = found
    if problems and not settings.allow_float_fallback:
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        raise Failure(f"refused: {problems[0]}{more}; --allow_float_fallback writes the file all the same")
    for problem in problems:
        _say(f"warning: {problem}")
    binary = sum(op.is_binary for op in contents.convolutions)
    _say(f"{file}: {binary} binary convolutions, {len(contents.convolutions) - binary} float ones; left unfused: "
         f"{contents.unfused_text}; {contents.size_bytes:,} bytes")
    _say(f"{file}: {agreement}; of the network rounded as the engine does: {rounded.close:,} within it, "
         f"{rounded.same_class:,} of the same class")
    if not agreement.holds and rounded.holds:
        _say(f"warning: the file computes the network, but the engine's rounding flips signs in it on "
             f"{agreement.images - agreement.close:,} images; judge it by bin/evaluate --model={file}")
    (directory / file).write_bytes(converted)
    return found


def _write_c(settings: ExportSettings, run: FinishedRun, directory: Path, facts: Facts, images: np.ndarray,
             labels: np.ndarray, logits: np.ndarray) -> PlainC:
    """Writes the network as C and proves it, where there is a compiler."""
    _say("writing C")
    name = settings.name
    found = write_and_prove(directory, name, run.genotype, run.model, facts, settings.c_activations, images, labels,
                            logits)
    _say(f"{name}.c: {found}")
    if found.proof is None:
        _say(f"{name}.c is not proven: there is no C compiler (gcc, clang, or $CC); `make test` checks it elsewhere")
    else:
        _say(f"{name}.c: {found.proof}")
    return found


@contextlib.contextmanager
def _beside(output: str) -> Iterator[Path]:
    """A directory beside `output` that is gone afterwards."""
    path = Path(output).resolve()
    directory = path.with_name(f".{path.name}.tmp{os.getpid()}")
    with blame("output", output):
        directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _move(directory: Path, output: Path, outdated: Sequence[str]) -> None:
    """Moves all files; those of an earlier network that have no successor are removed."""
    with blame("output", output):
        if not os.path.lexists(output):
            os.replace(directory, output)  # all at once
            return
        for name in outdated:
            (output / name).unlink(missing_ok=True)
        for path in directory.iterdir():
            os.replace(path, output / path.name)


def _say(text: str) -> None:
    console.say(f"export: {text}")
