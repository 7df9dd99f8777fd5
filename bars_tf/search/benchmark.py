"""`bin/bench`: speed and memory of the search and of training, beside what the machine needs for the convolutions."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bars_tf.config import SearchConfig
from bars_tf.data import pipeline as data
from bars_tf.errors import InputError, blame
from bars_tf.legacy_keras import tf
from bars_tf.search import roofline
from bars_tf.search.roofline import KINDS, Roofline
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace
from bars_tf.training import environment as machine
from bars_tf.training import fit as training

CLASSES, GENOTYPES, SURE = 10, 6, 40.0
# Spaces with more candidates replay the draws of the smallest, which only cost more if the others are computed.
MORE = ("bin_conv_1x1", "bin_conv_5x5", "bin_dil_conv_3x3", "bin_dil_conv_5x5", "max_pool_3x3", "avg_pool_3x3")
CANDIDATES = (3, 5, 8)


QUICK = {"init_channels": 8, "layout": "NR", "num_nodes": 2}


def main(config: SearchConfig) -> int:
    if config.quick:
        given = config.space_overrides
        quick = {"num_nodes": 2} if config.search_space.backbone else QUICK
        config = dataclasses.replace(config, rounds=min(config.rounds, 2), batch_size=min(config.batch_size, 16),
                                     **{name: value for name, value in quick.items() if name not in given})
    space = config.search_space
    with blame("image_size", input_shape(config)[0]):
        space.check_image(input_shape(config))
    if not space.convolutions():
        raise InputError.of("primitives", ",".join(space.primitives), "has no convolution, which all is measured by")
    training.start(config)
    results: dict[str, Any] = {"settings": settings(config), "machine": machine.describe()}
    for part in config.measure:
        print(f"bench   {part} ...", file=sys.stderr, flush=True)
        results |= PARTS[part](config)
    if config.json:
        print(json.dumps(results))
    else:
        print_table(results)
    return 0


def settings(config: SearchConfig) -> dict[str, Any]:
    return {"space": config.search_space.to_dict(), "input_shape": input_shape(config), "rounds": config.rounds,
            "batch_size": config.batch_size, "seed": config.seed, "xla": config.xla,
            "mixed_precision": config.mixed_precision}


def input_shape(config: SearchConfig) -> tuple[int, int, int]:
    return (config.image_size or 32,) * 2 + (3,)


class Search:
    """A supernet of the space at a batch of noise, whose draws are set."""

    def __init__(self, config: SearchConfig, space: SearchSpace, sampling: str):
        self.space = space
        self.supernet = Supernet(space, input_shape(config), CLASSES, config.seed)
        self.supernet.compile(training.optimizer("adam", 1e-3, 10**6, 0, 5.0),
                              tf.keras.optimizers.legacy.Adam(0.0), sampling=sampling, uniform_share=0.0)
        rng = np.random.default_rng(config.seed)
        self.images = tf.constant(rng.normal(size=(config.batch_size, *input_shape(config))), tf.float32)
        self.labels = tf.constant(rng.integers(0, CLASSES, config.batch_size))
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


def draws(space: SearchSpace, seed: int) -> list[np.ndarray]:
    """The fixed list of uniformly drawn primitives [groups, edges]."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, len(space.primitives), (len(space.groups), len(space.edges))) for _ in range(GENOTYPES)]


def times(config: SearchConfig, runs: Sequence[Callable[[], None]], rates: Roofline | None) -> np.ndarray:
    """Seconds [runs, rounds], each run in turn with the roofline, after a round that does not count."""
    seconds = np.zeros((len(runs), config.rounds + 1))
    for i in range(config.rounds + 1):
        if rates:
            rates.measure()
        for j, run in enumerate(runs):
            start = time.perf_counter()
            run()
            seconds[j, i] = time.perf_counter() - start
    return seconds[:, 1:]


def pair(config: SearchConfig, search: Search, picks: Sequence[np.ndarray | None],
         rates: Roofline | None = None) -> np.ndarray:
    """Seconds [2, picks, rounds] of the weight and of the arch step."""
    def run(step: Callable[[], None], picked: np.ndarray | None) -> Callable[[], None]:
        def forced() -> None:
            search.force(picked)
            step()
        return forced

    search.weight(), search.arch()
    runs = [run(step, picked) for picked in picks for step in (search.weight, search.arch)]
    return times(config, runs, rates).reshape(len(picks), 2, -1).transpose(1, 0, 2)


def told(prefix: str, seconds: np.ndarray) -> dict[str, Any]:
    """Median and spread of the mean over the genotypes, for each of two steps and the pair."""
    weight, arch = seconds.mean(1)
    return {f"{prefix}_weight_seconds": float(np.median(weight)), f"{prefix}_arch_seconds": float(np.median(arch)),
            f"{prefix}_pair_seconds": float(np.median(weight + arch)),
            f"{prefix}_pair_seconds_range": [float((weight + arch).min()), float((weight + arch).max())]}


def sampled(config: SearchConfig) -> dict[str, Any]:
    """The sampled pair at full width and depth; and with drawn width and depth, the joint form."""
    space = config.search_space
    picks = draws(space, config.seed)
    networks = [roofline.shapes(space, input_shape(config), picked) for picked in picks]
    rates = Roofline(set().union(*networks), config.batch_size)
    search = Search(config, space, "gumbel_hard")
    result = told("sampled", pair(config, search, picks, rates))
    result |= told("joint", pair(config, search, [None] * GENOTYPES))
    best = float(np.mean([rates.seconds(n, KINDS) + rates.seconds(n, KINDS[:2]) for n in networks]))
    return result | {"roofline_gflops": rates.gflops(sum(networks, start=type(networks[0])())),
                     "sampled_roofline_seconds": best,
                     "sampled_roofline_share": best / result["sampled_pair_seconds"],
                     "sampled_macs": float(np.mean([macs(n) for n in networks]))}


def macs(network) -> int:
    return sum(count * shape.macs for shape, count in network.items())


def soft(config: SearchConfig) -> dict[str, Any]:
    """The pair that computes all candidates."""
    space = config.search_space
    network = roofline.shapes(space, input_shape(config))
    rates = Roofline(set(network), config.batch_size)
    picks = draws(space, config.seed)
    result = told("soft", pair(config, Search(config, space, "gumbel"), picks[:1], rates))
    best = rates.seconds(network, KINDS) + rates.seconds(network, KINDS[:2])
    mean = np.mean([macs(roofline.shapes(space, input_shape(config), picked)) for picked in picks])
    return result | {"soft_roofline_share": best / result["soft_pair_seconds"],
                     "sampled_mac_ratio": float(macs(network) / mean)}


def candidates(config: SearchConfig) -> dict[str, Any]:
    """The sampled pair in spaces of ever more candidates, the space's own first, under the draws of the smallest."""
    space, found, picks = config.search_space, {}, None
    names = (*space.primitives, *(p for p in MORE if p not in space.primitives))
    for number in CANDIDATES:
        if number <= len(names):
            wider = space.replace(primitives=names[:number])
            picks = draws(wider, config.seed) if picks is None else picks
            seconds = pair(config, Search(config, wider, "gumbel_hard"), picks)
            found[str(number)] = told("wider", seconds)["wider_pair_seconds"]
    return {"sampled_pair_seconds_by_candidates": found}


def largest(space: SearchSpace) -> Genotype:
    """Full width and depth with the last convolution on every edge."""
    primitive = space.convolutions()[-1]
    topology = tuple(tuple((i, primitive) for i in range(j)) for j in range(1, space.num_nodes + 1))
    return Genotype(space, (1.0,) * space.num_stages, tuple(max(space.depths(s)) for s in range(space.num_stages)),
                    (topology,) * len(space.groups))


def train(config: SearchConfig) -> dict[str, Any]:
    """Training step and inference of the largest derived network, and the data pipeline."""
    run, infer = train_step(config)
    picked = np.full((len(config.search_space.groups), len(config.search_space.edges)),
                     config.search_space.primitives.index(config.search_space.convolutions()[-1]))
    network = roofline.shapes(config.search_space, input_shape(config), picked)
    rates = Roofline(set(network), config.batch_size)
    seconds, inference = np.median(times(config, [run, infer], rates), axis=1)
    return {"train_step_seconds": float(seconds), "inference_seconds": float(inference),
            "train_roofline_share": rates.seconds(network, KINDS) / float(seconds),
            "inference_roofline_share": rates.seconds(network, KINDS[:1]) / float(inference),
            "train_images_per_second": config.batch_size / float(seconds)}


def train_step(config: SearchConfig) -> tuple[Callable[[], None], Callable[[], None]]:
    """A training step and an inference of the largest derived network on a batch of noise."""
    model = training.trainable_network(config, largest(config.search_space), input_shape(config), CLASSES)
    model.compile(training.optimizer("adam", 1e-3, 10**6, 0, 5.0), training.loss_function(CLASSES, 0.0),
                  metrics=["accuracy"], jit_compile=config.xla)
    rng = np.random.default_rng(config.seed)
    images = tf.constant(rng.normal(size=(config.batch_size, *input_shape(config))), tf.float32)
    labels = tf.constant(rng.integers(0, CLASSES, config.batch_size))
    step = tf.function(lambda: model.train_step((images, labels)), autograph=False, jit_compile=config.xla or None)
    infer = tf.function(lambda: model(images, training=False), autograph=False, jit_compile=config.xla or None)
    return lambda: step()["loss"].numpy(), lambda: infer().numpy()


def pipeline(config: SearchConfig) -> dict[str, Any]:
    """The data pipeline alone: decoded, shuffled, augmented batches."""
    images, _, _ = training.load_data(config)
    steps = min(training.steps_of(config, "batch_size", images), 50 * config.rounds)
    batches = iter(data.batches(images, config.batch_size, training=True, seed=config.seed, start_epoch=0))
    next(batches)
    start = time.perf_counter()
    for _ in range(steps):
        next(batches)
    return {"pipeline_images_per_second": steps * config.batch_size / (time.perf_counter() - start)}


def memory(config: SearchConfig) -> dict[str, Any]:
    """In fresh processes: peak memory of a search and of training the largest network, and the time of the first
    pair."""
    context, results = multiprocessing.get_context("spawn"), {}
    for function in (_search_memory, _train_memory):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=function, args=(config, sender))
        process.start()
        sender.close()
        try:
            results |= receiver.recv()
        except EOFError:
            raise RuntimeError("a process of the memory measurement ended early; is there enough memory?") from None
        finally:
            process.join()
    return results


def _search_memory(config, sender):
    start = time.perf_counter()
    search = Search(config, config.search_space, "gumbel_hard")
    search.weight(), search.arch()
    first = time.perf_counter() - start
    for picked in draws(config.search_space, config.seed):
        search.force(picked)
        search.weight(), search.arch()
    sender.send({"first_pair_seconds": first, "sampled_peak_bytes": machine.peak_bytes()})


def _train_memory(config, sender):
    run, _ = train_step(config)
    for _ in range(GENOTYPES):
        run()
    sender.send({"train_peak_bytes": machine.peak_bytes()})


def print_table(results: dict[str, Any]) -> None:
    runs_on = results["machine"]
    print(f"{runs_on['processor']}, {runs_on['cores']} cores, {runs_on['gpus']} GPUs; Python {runs_on['python']}, "
          f"TensorFlow {runs_on['tensorflow']}")
    for name, value in results.items():
        if name in ("settings", "machine"):
            continue
        if name.endswith("_bytes"):
            value = f"{value / 1e9:.2f} GB"
        elif isinstance(value, dict):
            value = ", ".join(f"{k}: {v:.3f}" for k, v in value.items())
        elif isinstance(value, list):
            value = " to ".join(f"{v:.3f}" for v in value)
        elif name.endswith("_share"):
            value = f"{value:.0%}"
        else:
            value = f"{value:,.3f}" if value < 1e4 else f"{value:,.0f}"
        print(f"{name.replace('_', ' '):40} {value}")


PARTS = {"memory": memory, "sampled": sampled, "soft": soft, "candidates": candidates, "train": train,
         "pipeline": pipeline}
