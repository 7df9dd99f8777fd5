"""Speed and memory of search and training, against the time of the bare convolutions on this machine."""

import dataclasses
import functools
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from bars_tf import data
from bars_tf.data.settings import DataSettings
from bars_tf.data.splits import load_splits
from bars_tf.legacy_keras import tf
from bars_tf.search import roofline
from bars_tf.search.roofline import KINDS, Roofline
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import uniform
from bars_tf.space.search_space import SearchSpace
from bars_tf.training import environment
from bars_tf.training.fit import loss_function, optimizer, trainable_network
from bars_tf.training.inputs import steps_per_epoch
from bars_tf.training.settings import TrainingSettings

CLASSES = 10
SURE = 40.0  # logit of a choice that is always drawn
GENOTYPES = 6  # drawn networks that are timed
# Spaces with more candidates replay the draws of the smallest, which only cost more if the others are computed.
MORE = ("bin_conv_1x1", "bin_conv_5x5", "bin_dil_conv_3x3", "bin_dil_conv_5x5", "max_pool_3x3", "avg_pool_3x3")
CANDIDATES = (3, 5, 8)


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """One call of the benchmark, which measures a space at its full width and depth."""

    space: SearchSpace
    input_shape: tuple[int, int, int]  # (height, width, channels) of an image
    batch_size: int
    rounds: int  # how often everything is timed, in turn with the bare convolutions
    seed: int  # of the draws and of the noise images
    training: TrainingSettings  # of the trained network: `xla`, `mixed_precision`
    data: DataSettings  # images of the measurement "pipeline"

    def noise(self) -> tuple[tf.Tensor, tf.Tensor]:
        """A batch of noise images and labels."""
        rng = np.random.default_rng(self.seed)
        images = tf.constant(rng.normal(size=(self.batch_size, *self.input_shape)), tf.float32)
        return images, tf.constant(rng.integers(0, CLASSES, self.batch_size))

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON."""
        return {"space": self.space.to_dict(), "input_shape": self.input_shape, "rounds": self.rounds,
                "batch_size": self.batch_size, "seed": self.seed, "xla": self.training.xla,
                "mixed_precision": self.training.mixed_precision}


class SupernetSteps:
    """A supernet of the space at a batch of noise, whose draws are set."""

    def __init__(self, benchmark: Benchmark, space: SearchSpace, sampling: str):
        self.supernet = Supernet(space, benchmark.input_shape, CLASSES, benchmark.seed)
        self.supernet.compile(optimizer("adam", 1e-3, 10**6, 0, 5.0),
                              tf.keras.optimizers.legacy.Adam(0.0), sampling=sampling, uniform_share=0.0)
        self.batch = benchmark.noise()
        self._weight, self._arch = (tf.function(f, autograph=False)
                                    for f in (self.supernet.weight_step, self.supernet.arch_step))

    def force(self, picked: np.ndarray | None) -> None:
        """Makes the next draws full width and depth with `picked` primitives; None: uniform draws."""
        width, depth, edge = self.supernet.arch_variables
        for variable, index in ((width, -1), (depth, self.supernet.depth_choices.argmax(-1)), (edge, picked)):
            sure = 0.0 if picked is None else SURE * np.eye(variable.shape[-1])[index]
            variable.assign(np.zeros(variable.shape) + sure)

    def weight(self) -> None:
        self.supernet.search_step.assign_add(1)
        self._weight(*self.batch)["loss"].numpy()

    def arch(self) -> None:
        self._arch(*self.batch)[0].numpy()


def train_step(benchmark: Benchmark) -> tuple[Callable[[], None], Callable[[], None]]:
    """A training step and an inference of the largest network, the last convolution on every edge, on noise."""
    largest = uniform(benchmark.space, benchmark.space.convolutions()[-1])
    model = trainable_network(benchmark.training, largest, benchmark.input_shape, CLASSES)
    model.compile(optimizer("adam", 1e-3, 10**6, 0, 5.0), loss_function(CLASSES, 0.0),
                  metrics=["accuracy"], jit_compile=benchmark.training.xla)
    images, labels = benchmark.noise()
    options = {"autograph": False, "jit_compile": benchmark.training.xla or None}
    step = tf.function(lambda: model.train_step((images, labels)), **options)
    infer = tf.function(lambda: model(images, training=False), **options)
    return lambda: step()["loss"].numpy(), lambda: infer().numpy()


def run_benchmark(benchmark: Benchmark, measurements: Sequence[str]) -> dict[str, Any]:
    """The results of some of `MEASUREMENTS`, by name."""
    results: dict[str, Any] = {"settings": benchmark.to_dict(), "machine": {
        **environment.machine(), **environment.versions()}}
    for name in measurements:
        print(f"bench   {name} ...", file=sys.stderr, flush=True)
        results |= MEASUREMENTS[name](benchmark)
    return results


def draws(space: SearchSpace, seed: int) -> list[np.ndarray]:
    """The fixed list of uniformly drawn primitives [groups, edges]."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, len(space.primitives), (len(space.groups), len(space.edges))) for _ in range(GENOTYPES)]


def times(benchmark: Benchmark, runs: Sequence[Callable[[], None]], rates: Roofline | None) -> np.ndarray:
    """Seconds [runs, rounds], each run in turn with the roofline, after a round that does not count."""
    seconds = np.zeros((len(runs), benchmark.rounds + 1))
    for i in range(benchmark.rounds + 1):
        if rates:
            rates.measure()
        for j, run in enumerate(runs):
            start = time.perf_counter()
            run()
            seconds[j, i] = time.perf_counter() - start
    return seconds[:, 1:]


def pair(prefix: str, benchmark: Benchmark, search: SupernetSteps, picks: Sequence[np.ndarray | None],
         rates: Roofline | None = None) -> dict[str, Any]:
    """Seconds of the weight step, the arch step and the pair: median and range of the mean over the picks."""
    def run(step: Callable[[], None], picked: np.ndarray | None) -> None:
        search.force(picked)
        step()

    search.weight(), search.arch()
    runs = [functools.partial(run, step, picked) for picked in picks for step in (search.weight, search.arch)]
    weight, arch = times(benchmark, runs, rates).reshape(len(picks), 2, -1).mean(0)
    return {f"{prefix}_weight_seconds": float(np.median(weight)), f"{prefix}_arch_seconds": float(np.median(arch)),
            f"{prefix}_pair_seconds": float(np.median(weight + arch)),
            f"{prefix}_pair_seconds_range": [float((weight + arch).min()), float((weight + arch).max())]}


def sampled(benchmark: Benchmark) -> dict[str, Any]:
    """The sampled pair at full width and depth; and with drawn width and depth, the joint form."""
    space = benchmark.space
    picks = draws(space, benchmark.seed)
    networks = [roofline.shapes(space, benchmark.input_shape, picked) for picked in picks]
    rates = Roofline(set().union(*networks), benchmark.batch_size)
    search = SupernetSteps(benchmark, space, "gumbel_hard")
    result = pair("sampled", benchmark, search, picks, rates)
    result |= pair("joint", benchmark, search, [None] * GENOTYPES)
    best = float(np.mean([rates.seconds(n, KINDS) + rates.seconds(n, KINDS[:2]) for n in networks]))
    return result | {"roofline_gflops": rates.gflops(sum(networks, start=Counter())),
                     "sampled_roofline_seconds": best,
                     "sampled_roofline_share": best / result["sampled_pair_seconds"],
                     "sampled_macs": float(np.mean([roofline.macs(n) for n in networks]))}


def soft(benchmark: Benchmark) -> dict[str, Any]:
    """The pair that computes all candidates."""
    space = benchmark.space
    network, picks = roofline.shapes(space, benchmark.input_shape), draws(space, benchmark.seed)
    rates = Roofline(set(network), benchmark.batch_size)
    result = pair("soft", benchmark, SupernetSteps(benchmark, space, "gumbel"), picks[:1], rates)
    best = rates.seconds(network, KINDS) + rates.seconds(network, KINDS[:2])
    mean = np.mean([roofline.macs(roofline.shapes(space, benchmark.input_shape, picked)) for picked in picks])
    return result | {"soft_roofline_share": best / result["soft_pair_seconds"],
                     "sampled_mac_ratio": float(roofline.macs(network) / mean)}


def candidates(benchmark: Benchmark) -> dict[str, Any]:
    """The sampled pair in spaces of ever more candidates, the space's own first, under the draws of the smallest."""
    space, found, picks = benchmark.space, {}, None
    names = (*space.primitives, *(p for p in MORE if p not in space.primitives))
    for number in CANDIDATES:
        if number <= len(names):
            wider = space.replace(primitives=names[:number])
            picks = draws(wider, benchmark.seed) if picks is None else picks
            seconds = pair("wider", benchmark, SupernetSteps(benchmark, wider, "gumbel_hard"), picks)
            found[str(number)] = seconds["wider_pair_seconds"]
    return {"sampled_pair_seconds_by_candidates": found}


def train(benchmark: Benchmark) -> dict[str, Any]:
    """Training step and inference of the largest derived network, and the data pipeline."""
    run, infer = train_step(benchmark)
    picked = np.full((len(benchmark.space.groups), len(benchmark.space.edges)),
                     benchmark.space.primitives.index(benchmark.space.convolutions()[-1]))
    network = roofline.shapes(benchmark.space, benchmark.input_shape, picked)
    rates = Roofline(set(network), benchmark.batch_size)
    seconds, inference = np.median(times(benchmark, [run, infer], rates), axis=1)
    return {"train_step_seconds": float(seconds), "inference_seconds": float(inference),
            "train_roofline_share": rates.seconds(network, KINDS) / float(seconds),
            "inference_roofline_share": rates.seconds(network, KINDS[:1]) / float(inference),
            "train_images_per_second": benchmark.batch_size / float(seconds)}


def pipeline(benchmark: Benchmark) -> dict[str, Any]:
    """The data pipeline alone: decoded, shuffled, augmented batches."""
    images = load_splits(benchmark.data).train
    steps = min(steps_per_epoch("batch_size", benchmark.batch_size, 0, images), 50 * benchmark.rounds)
    batches = iter(data.batches(images, benchmark.batch_size, training=True, seed=benchmark.seed, start_epoch=0))
    next(batches)
    start = time.perf_counter()
    for _ in range(steps):
        next(batches)
    return {"pipeline_images_per_second": steps * benchmark.batch_size / (time.perf_counter() - start)}


def memory(benchmark: Benchmark) -> dict[str, Any]:
    """Peak memory of a search and of training the largest network, each in a fresh process; time of the first pair."""
    results = {}
    for function in (_search_memory, _train_memory):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            try:
                results |= pool.submit(function, benchmark).result()
            except BrokenProcessPool:
                raise RuntimeError("a process of the memory measurement ended early; is there enough memory?") from None
    return results


def _search_memory(benchmark: Benchmark) -> dict[str, Any]:
    start = time.perf_counter()
    search = SupernetSteps(benchmark, benchmark.space, "gumbel_hard")
    search.weight(), search.arch()
    first = time.perf_counter() - start
    for picked in draws(benchmark.space, benchmark.seed):
        search.force(picked)
        search.weight(), search.arch()
    return {"first_pair_seconds": first, "sampled_peak_bytes": environment.peak_bytes()}


def _train_memory(benchmark: Benchmark) -> dict[str, Any]:
    run, _ = train_step(benchmark)
    for _ in range(GENOTYPES):
        run()
    return {"train_peak_bytes": environment.peak_bytes()}


MEASUREMENTS = {"memory": memory, "sampled": sampled, "soft": soft, "candidates": candidates, "train": train,
                "pipeline": pipeline}
