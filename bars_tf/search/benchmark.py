"""Speed and memory of search and training, against the time of the bare convolutions on this machine."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bars_tf import data
from bars_tf.data.splits import load_splits
from bars_tf.search import roofline
from bars_tf.search.benchmark_steps import Benchmark, SupernetSteps, train_step
from bars_tf.search.roofline import KINDS, Roofline
from bars_tf.space.search_space import SearchSpace
from bars_tf.training import environment
from bars_tf.training.inputs import steps_per_epoch

GENOTYPES = 6  # drawn networks that are timed
# Spaces with more candidates replay the draws of the smallest, which only cost more if the others are computed.
MORE = ("bin_conv_1x1", "bin_conv_5x5", "bin_dil_conv_3x3", "bin_dil_conv_5x5", "max_pool_3x3", "avg_pool_3x3")
CANDIDATES = (3, 5, 8)


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


def pair(benchmark: Benchmark, search: SupernetSteps, picks: Sequence[np.ndarray | None],
         rates: Roofline | None = None) -> np.ndarray:
    """Seconds [2, picks, rounds] of the weight and of the arch step."""
    def run(step: Callable[[], None], picked: np.ndarray | None) -> Callable[[], None]:
        def forced() -> None:
            search.force(picked)
            step()
        return forced

    search.weight(), search.arch()
    runs = [run(step, picked) for picked in picks for step in (search.weight, search.arch)]
    return times(benchmark, runs, rates).reshape(len(picks), 2, -1).transpose(1, 0, 2)


def summary_of(prefix: str, seconds: np.ndarray) -> dict[str, Any]:
    """Median and spread of the mean over the genotypes, for each of two steps and the pair."""
    weight, arch = seconds.mean(1)
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
    result = summary_of("sampled", pair(benchmark, search, picks, rates))
    result |= summary_of("joint", pair(benchmark, search, [None] * GENOTYPES))
    best = float(np.mean([rates.seconds(n, KINDS) + rates.seconds(n, KINDS[:2]) for n in networks]))
    return result | {"roofline_gflops": rates.gflops(sum(networks, start=type(networks[0])())),
                     "sampled_roofline_seconds": best,
                     "sampled_roofline_share": best / result["sampled_pair_seconds"],
                     "sampled_macs": float(np.mean([macs(n) for n in networks]))}


def macs(network) -> int:
    return sum(count * shape.macs for shape, count in network.items())


def soft(benchmark: Benchmark) -> dict[str, Any]:
    """The pair that computes all candidates."""
    space = benchmark.space
    network = roofline.shapes(space, benchmark.input_shape)
    rates = Roofline(set(network), benchmark.batch_size)
    picks = draws(space, benchmark.seed)
    result = summary_of("soft", pair(benchmark, SupernetSteps(benchmark, space, "gumbel"), picks[:1], rates))
    best = rates.seconds(network, KINDS) + rates.seconds(network, KINDS[:2])
    mean = np.mean([macs(roofline.shapes(space, benchmark.input_shape, picked)) for picked in picks])
    return result | {"soft_roofline_share": best / result["soft_pair_seconds"],
                     "sampled_mac_ratio": float(macs(network) / mean)}


def candidates(benchmark: Benchmark) -> dict[str, Any]:
    """The sampled pair in spaces of ever more candidates, the space's own first, under the draws of the smallest."""
    space, found, picks = benchmark.space, {}, None
    names = (*space.primitives, *(p for p in MORE if p not in space.primitives))
    for number in CANDIDATES:
        if number <= len(names):
            wider = space.replace(primitives=names[:number])
            picks = draws(wider, benchmark.seed) if picks is None else picks
            seconds = pair(benchmark, SupernetSteps(benchmark, wider, "gumbel_hard"), picks)
            found[str(number)] = summary_of("wider", seconds)["wider_pair_seconds"]
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
    """In fresh processes: peak memory of a search and of training the largest network, and the time of the first
    pair."""
    context, results = multiprocessing.get_context("spawn"), {}
    for function in (_search_memory, _train_memory):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=function, args=(benchmark, sender))
        process.start()
        sender.close()
        try:
            results |= receiver.recv()
        except EOFError:
            raise RuntimeError("a process of the memory measurement ended early; is there enough memory?") from None
        finally:
            process.join()
    return results


def _search_memory(benchmark, sender):
    start = time.perf_counter()
    search = SupernetSteps(benchmark, benchmark.space, "gumbel_hard")
    search.weight(), search.arch()
    first = time.perf_counter() - start
    for picked in draws(benchmark.space, benchmark.seed):
        search.force(picked)
        search.weight(), search.arch()
    sender.send({"first_pair_seconds": first, "sampled_peak_bytes": environment.peak_bytes()})


def _train_memory(benchmark, sender):
    run, _ = train_step(benchmark)
    for _ in range(GENOTYPES):
        run()
    sender.send({"train_peak_bytes": environment.peak_bytes()})


MEASUREMENTS = {"memory": memory, "sampled": sampled, "soft": soft, "candidates": candidates, "train": train,
                "pipeline": pipeline}
