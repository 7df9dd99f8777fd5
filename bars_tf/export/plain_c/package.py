"""The network of a run as C files, and their proof."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars_tf.export.agreement import predict
from bars_tf.export.plain_c import files
from bars_tf.export.plain_c.calls import CallList
from bars_tf.export.plain_c.proof import NOISE_IMAGES, CProof, noise, prove
from bars_tf.export.plain_c.reference import reference
from bars_tf.export.zoo_module import Facts
from bars_tf.legacy_keras import tf
from bars_tf.network.layer_list import layers_of
from bars_tf.space.genotype import Genotype

# Images at a time: the reference holds all that is under a window.
BATCH = 16


class PlainC(NamedTuple):
    """Bytes of constants and of memory for activations; the proof is None where there is no compiler."""

    activations: str  # of `settings.ACTIVATIONS`
    flash_bytes: int
    ram_bytes: int
    proof: CProof | None

    def __str__(self) -> str:
        return (f"{self.flash_bytes:,} bytes of constants in flash, {self.ram_bytes:,} bytes of RAM for "
                f"{self.activations} activations")

    def to_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "proof": self.proof and self.proof.to_dict()}


def write_and_prove(directory: Path, name: str, genotype: Genotype, model: tf.keras.Model, facts: Facts,
                    activations: str, images: np.ndarray, labels: np.ndarray, logits: np.ndarray) -> PlainC:
    """Writes NAME.c, NAME.h, NAME_test.c and a Makefile for `model`, the trained network of `genotype`.

    Args:
        activations: of `settings.ACTIVATIONS`.
        images: [images, height, width, channels] of the proof, with their labels [images].
        logits: of the model for these, [images, classes].
    Raises: Failure if the C code does not compute the network.
    """
    calls = CallList(layers_of(genotype, facts.input_shape, logits.shape[1]),
                     {layer.name: layer.get_weights() for layer in model.layers if layer.weights},
                     scaled=genotype.space.kernel_quantizer == "magnitude_aware_sign")
    network, ordered = files.network_of(calls.calls, activations), reference(genotype, model, calls, activations)
    files.write(directory, name, network, facts.input_shape, facts.mean, facts.std,
                predict(ordered, noise(NOISE_IMAGES, facts.input_shape), BATCH))
    return PlainC(activations, network.flash_bytes, network.ram_bytes,
                  prove(directory, name, images, labels, logits, predict(ordered, images, BATCH),
                        activations))
