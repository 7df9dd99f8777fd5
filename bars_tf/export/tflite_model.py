"""A `.tflite` file as a model to evaluate."""

from __future__ import annotations

from pathlib import Path

from bars_tf.errors import Failure, blame
from bars_tf.export import conversion, tflite_file
from bars_tf.training.evaluation import Classifier


def load_tflite(path: str) -> Classifier:
    """Reads a `.tflite` file, which the interpreter of the Larq Compute Engine runs.

    Raises:
        InputError: the file cannot be read or maps no images to classes.
        Failure: the engine is not installed.
    """
    with blame("model", path):
        contents = tflite_file.read(path)
        if len(contents.input_shape) != 4 or len(contents.output_shape) != 2:
            raise ValueError(f"maps {contents.input_shape} to {contents.output_shape}, not images to classes")
        if not conversion.is_available():
            raise Failure(f"cannot run {path}: {conversion.MISSING}")
        try:
            predict = conversion.interpreter(Path(path).read_bytes())
        except RuntimeError as error:
            raise ValueError(f"the Larq Compute Engine does not take it ({str(error).splitlines()[0][:200]})") from None
    return Classifier(lambda images: predict(images.numpy()), contents.input_shape[1:], contents.output_shape[-1])
