"""Speed and memory of search and training, against the time of the bare convolutions on this machine."""

import dataclasses
import functools
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from bars_tf import console, data
from bars_tf.data.settings import DataSettings
from bars_tf.data.splits import load_splits
from bars_tf.legacy_keras import tf
from bars_tf.search.roofline import Convolution, bare_convolutions, convolutions, macs
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import uniform
from bars_tf.space.primitives import PRIMITIVES
from bars_tf.space.search_space import SearchSpace
from bars_tf.training import environment, fit, inputs
from bars_tf.training.settings import TrainingSettings

CLASSES = 10
SURE = 40.0  # logit of a choice that is always drawn
GENOTYPES = 6  # drawn networks that are timed
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

    def draws(self) -> list[np.ndarray]:
        """The fixed list of uniformly drawn primitives [groups, edges]."""
        rng, space = np.random.default_rng(self.seed), self.space
        return [rng.integers(0, len(space.primitives), (len(space.groups), len(space.edges)))
                for _ in range(GENOTYPES)]


class SupernetSteps:
    """A supernet of the space at a batch of noise, whose draws are set."""

    def __init__(self, benchmark: Benchmark, space: SearchSpace, sampling: str):
        self.supernet = Supernet(space, benchmark.input_shape, CLASSES, benchmark.seed)
        self.supernet.compile(fit.optimizer("adam", 1e-3, 10**6, 0, 5.0),
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
    model = fit.trainable_network(benchmark.training, largest, benchmark.input_shape, CLASSES)
    model.compile(fit.optimizer("adam", 1e-3, 10**6, 0, 5.0), fit.loss_function(CLASSES, 0.0),
                  metrics=["accuracy"], jit_compile=benchmark.training.xla)
    images, labels = benchmark.noise()
    options = {"autograph": False, "jit_compile": benchmark.training.xla or None}
    step = tf.function(lambda: model.train_step((images, labels)), **options)
    infer = tf.function(lambda: model(images, training=False), **options)
    return lambda: step()["loss"].numpy(), lambda: infer().numpy()


def run_benchmark(benchmark: Benchmark, measurements: Sequence[str]) -> dict[str, Any]:
    """The results of some of `MEASUREMENTS`, by name."""
    results: dict[str, Any] = {"settings": dataclasses.asdict(benchmark),
                               "machine": environment.machine() | environment.versions()}
    for name in measurements:
        console.say(f"bench   {name} ...")
        results |= MEASUREMENTS[name](benchmark)
    return results


def times(benchmark: Benchmark, runs: Sequence[Callable[[], None]]) -> np.ndarray:
    """Seconds [runs, rounds], the runs in turn, after a round that does not count."""
    seconds = np.zeros((len(runs), benchmark.rounds + 1))
    for i, j in np.ndindex(benchmark.rounds + 1, len(runs)):
        start = time.perf_counter()
        runs[j]()
        seconds[j, i] = time.perf_counter() - start
    return seconds[:, 1:]


def pair(prefix: str, benchmark: Benchmark, search: SupernetSteps, picks: Sequence[np.ndarray | None],
         networks: Sequence[Counter[Convolution]] = ()) -> dict[str, Any]:
    """Seconds of the weight step, the arch step and the pair: median and range of the mean over the picks; and the
    fraction of the pair's that the convolutions of some networks take by themselves."""
    def run(step: Callable[[], None], picked: np.ndarray | None) -> None:
        search.force(picked)
        step()

    runs = [functools.partial(run, step, picked) for picked in picks for step in (search.weight, search.arch)]
    bare = [bare_convolutions(network, benchmark.batch_size, to_kernel=to_kernel)
            for network in networks for to_kernel in (True, False)]  # the arch step has no gradients of kernels
    seconds = times(benchmark, [*runs, *bare])
    weight, arch = seconds[:len(runs)].reshape(len(picks), 2, -1).mean(0)
    both = weight + arch
    result = {f"{prefix}_weight_seconds": float(np.median(weight)), f"{prefix}_arch_seconds": float(np.median(arch)),
              f"{prefix}_pair_seconds": float(np.median(both)),
              f"{prefix}_pair_seconds_range": [float(both.min()), float(both.max())]}
    if networks:
        best = np.median(seconds[len(runs):].sum(0)) / len(networks)
        operations = 2 * 5 * benchmark.batch_size * np.mean(list(map(macs, networks)))  # forward twice, 3 gradients
        result |= {f"{prefix}_roofline_share": float(best / np.median(both)),
                   f"{prefix}_roofline_gflops": float(1e-9 * operations / best)}
    return result


def sampled(benchmark: Benchmark) -> dict[str, Any]:
    """The sampled pair at full width and depth; and with drawn width and depth, the joint form."""
    picks = benchmark.draws()
    networks = [convolutions(benchmark.space, benchmark.input_shape, picked) for picked in picks]
    search = SupernetSteps(benchmark, benchmark.space, "gumbel_hard")
    return (pair("sampled", benchmark, search, picks, networks) | pair("joint", benchmark, search, [None] * GENOTYPES)
            | {"sampled_macs": float(np.mean(list(map(macs, networks))))})


def soft(benchmark: Benchmark) -> dict[str, Any]:
    """The pair that computes all candidates."""
    space, shape, picks = benchmark.space, benchmark.input_shape, benchmark.draws()
    network = convolutions(space, shape)
    mean = np.mean([macs(convolutions(space, shape, picked)) for picked in picks])
    return {**pair("soft", benchmark, SupernetSteps(benchmark, space, "gumbel"), picks[:1], [network]),
            "sampled_mac_ratio": float(macs(network) / mean)}


def candidates(benchmark: Benchmark) -> dict[str, Any]:
    """The sampled pair in spaces of ever more candidates, the space's own first, under the draws of the smallest."""
    space = benchmark.space
    names = (*space.primitives, *(p for p in PRIMITIVES if p not in space.primitives))
    wider = [space.replace(primitives=names[:number]) for number in CANDIDATES if number <= len(names)]
    # The draws of the smallest, which only cost more if the others are computed.
    picks = dataclasses.replace(benchmark, space=wider[0]).draws()
    return {"sampled_pair_seconds_by_candidates": {
        str(len(each.primitives)): pair("wider", benchmark, SupernetSteps(benchmark, each, "gumbel_hard"),
                                        picks)["wider_pair_seconds"] for each in wider}}


def train(benchmark: Benchmark) -> dict[str, Any]:
    """Training step and inference of the largest derived network."""
    space, run_and_infer = benchmark.space, train_step(benchmark)
    picked = np.full((len(space.groups), len(space.edges)), space.primitives.index(space.convolutions()[-1]))
    network = convolutions(space, benchmark.input_shape, picked)
    bare = [bare_convolutions(network, benchmark.batch_size, backward, backward) for backward in (True, False)]
    seconds, inference, *best = np.median(times(benchmark, [*run_and_infer, *bare]), axis=1).tolist()
    return {"train_step_seconds": seconds, "inference_seconds": inference, "train_roofline_share": best[0] / seconds,
            "inference_roofline_share": best[1] / inference, "train_images_per_second": benchmark.batch_size / seconds}


def pipeline(benchmark: Benchmark) -> dict[str, Any]:
    """The data pipeline alone: decoded, shuffled, augmented batches."""
    images = load_splits(benchmark.data).train
    steps = min(inputs.steps_per_epoch("batch_size", benchmark.batch_size, 0, images), 50 * benchmark.rounds)
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
    for picked in benchmark.draws():
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
