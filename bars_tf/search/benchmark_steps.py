"""The steps that the benchmark times: those of a supernet with given draws, and of the training of a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from bars_tf.data.settings import DataSettings
from bars_tf.legacy_keras import tf
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.fit import loss_function, optimizer, trainable_network
from bars_tf.training.settings import TrainingSettings

CLASSES = 10
SURE = 40.0  # logit of a choice that is always drawn


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """One call of the benchmark.

    Attributes:
        space: the search space; all is measured at its full width and depth.
        input_shape: (height, width, channels) of an image.
        batch_size: images in a step.
        rounds: how often everything is timed, in turn with the bare convolutions.
        seed: of the draws and of the noise images.
        training: settings of the trained network (`xla`, `mixed_precision`).
        data: images of the measurement "pipeline".
    """

    space: SearchSpace
    input_shape: tuple[int, int, int]
    batch_size: int
    rounds: int
    seed: int
    training: TrainingSettings
    data: DataSettings

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON."""
        return {"space": self.space.to_dict(), "input_shape": self.input_shape, "rounds": self.rounds,
                "batch_size": self.batch_size, "seed": self.seed, "xla": self.training.xla,
                "mixed_precision": self.training.mixed_precision}


class SupernetSteps:
    """A supernet of the space at a batch of noise, whose draws are set."""

    def __init__(self, benchmark: Benchmark, space: SearchSpace, sampling: str):
        self.space = space
        self.supernet = Supernet(space, benchmark.input_shape, CLASSES, benchmark.seed)
        self.supernet.compile(optimizer("adam", 1e-3, 10**6, 0, 5.0),
                              tf.keras.optimizers.legacy.Adam(0.0), sampling=sampling, uniform_share=0.0)
        rng = np.random.default_rng(benchmark.seed)
        self.images = tf.constant(rng.normal(size=(benchmark.batch_size, *benchmark.input_shape)), tf.float32)
        self.labels = tf.constant(rng.integers(0, CLASSES, benchmark.batch_size))
        self._weight, self._arch = (tf.function(f, autograph=False)
                                    for f in (self.supernet.weight_step, self.supernet.arch_step))

    def force(self, picked: np.ndarray | None) -> None:
        """Makes the next draws full width and depth with `picked` primitives; None: uniform draws."""
        width, depth, edge = self.supernet.arch_variables
        for variable, index in ((width, -1), (depth, self.supernet.depth_choices.argmax(-1)), (edge, picked)):
            value = np.zeros(variable.shape)
            if picked is not None:
                value += SURE * np.eye(variable.shape[-1])[index]
            variable.assign(value)

    def weight(self) -> None:
        self.supernet.search_step.assign_add(1)
        self._weight(self.images, self.labels)["loss"].numpy()

    def arch(self) -> None:
        self._arch(self.images, self.labels)[0].numpy()


def largest(space: SearchSpace) -> Genotype:
    """Full width and depth with the last convolution on every edge."""
    primitive = space.convolutions()[-1]
    topology = tuple(tuple((i, primitive) for i in range(j)) for j in range(1, space.num_nodes + 1))
    return Genotype(space, (1.0,) * space.num_stages, tuple(max(space.depths(s)) for s in range(space.num_stages)),
                    (topology,) * len(space.groups))


def train_step(benchmark: Benchmark) -> tuple[Callable[[], None], Callable[[], None]]:
    """A training step and an inference of the largest derived network on a batch of noise."""
    model = trainable_network(benchmark.training, largest(benchmark.space), benchmark.input_shape, CLASSES)
    model.compile(optimizer("adam", 1e-3, 10**6, 0, 5.0), loss_function(CLASSES, 0.0),
                  metrics=["accuracy"], jit_compile=benchmark.training.xla)
    rng = np.random.default_rng(benchmark.seed)
    images = tf.constant(rng.normal(size=(benchmark.batch_size, *benchmark.input_shape)), tf.float32)
    labels = tf.constant(rng.integers(0, CLASSES, benchmark.batch_size))
    options = {"autograph": False, "jit_compile": benchmark.training.xla or None}
    step = tf.function(lambda: model.train_step((images, labels)), **options)
    infer = tf.function(lambda: model(images, training=False), **options)
    return lambda: step()["loss"].numpy(), lambda: infer().numpy()
