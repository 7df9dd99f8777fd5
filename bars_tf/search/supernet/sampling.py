"""How each step of a search draws its sample of the choices.

Uniform draws, networks near the budget, train the shared weights whatever the alphas prefer.
"""

import dataclasses
import functools

import numpy as np

from bars_tf.cost.budget import Budget
from bars_tf.cost.part_costs import CostTables
from bars_tf.legacy_keras import tf
from bars_tf.search.derivation import evolution
from bars_tf.search.supernet import relaxation
from bars_tf.search.supernet.relaxation import Sample
from bars_tf.space.encoding import Choices, depth_grid, one_hot, random_genotype
from bars_tf.training.distribution import images_here, replicas

STREAMS = ("widths", "depths", "edges", "second_depths", "second_edges", "uniform", "inputs")
# The second candidate is evaluated on a quarter of the batch: sampling noise outweighs the variance this adds (our
# choice).
SECOND_PATH = 4
# Networks that uniform steps draw from, and how many in a row come of one uniform draw (our choice).
NETWORKS, SUCCESSIVE = 256, 4


def stream_seed(seed: int, step: tf.Tensor, update: str, stream: str) -> tf.Tensor:
    """Returns the seed [2] int64 of a stream (a name in `STREAMS`) in a step that updates the "weights" or "alphas"."""
    # Not by `tf.random.experimental.stateless_fold_in`: every trained search and golden number would change.
    position = 8 * ("weights", "alphas").index(update) + STREAMS.index(stream)
    return tf.stack([tf.constant(seed + 7919 * position, tf.int64), step])


@dataclasses.dataclass(frozen=True)
class Sampler:
    """Draws samples by the seed of the search and the step alone: the same in all replicas and after a resume.

    `form` is "softmax" (no noise), "gumbel" (soft) or "gumbel_hard" (straight-through); `uniform_share` is the fraction
    of the weight steps that take a network near the budget.
    """

    form: str
    seed: int
    uniform_share: float
    tables: CostTables
    budget: Budget

    def draw(self, logits: Choices, temperature: tf.Tensor, step: tf.Tensor, update: str,
             batch_size: tf.Tensor | None = None) -> Sample:
        """Draws the sample of a step.

        Args:
            logits, temperature: of the choices, and of the Gumbel-softmax.
            step: number of the step, a scalar int64, which updates `update`: "weights" or "alphas".
            batch_size: images that this replica has of the batch, a scalar. If given, samples of "gumbel_hard" have
                gradients, for which second candidates are computed too; soft samples always have gradients.
        """
        seeds = {stream: stream_seed(self.seed, step, update, stream) for stream in STREAMS}
        *noise, second_depths, second_edges = [
            relaxation.gumbel(a.shape, seeds[stream], a.dtype) for stream, a in zip(STREAMS, (*logits, *logits[1:]))]
        noise = Choices(*noise)
        if update == "weights" and self.uniform_share:
            networks = networks_near_budget(self.tables, self.budget, self.seed)
            logits = mixed_logits(logits, networks, self.uniform_share, seeds["uniform"])
        space, dtype = self.tables.space, logits.edges.dtype
        hard = Choices(*map(relaxation.gumbel_max, logits, noise))
        order = tf.random.stateless_uniform(logits.edges.shape[:2], seeds["inputs"], dtype=dtype)
        hard = hard._replace(edges=relaxation.limit_inputs(space, hard.edges, order))
        all_uniform = update == "weights" and self.uniform_share == 1  # one network, however the alphas are sampled
        if all_uniform or self.form == "gumbel_hard" and batch_size is None:
            return relaxation.one_hot_sample(hard)
        noise = noise if self.form != "softmax" else Choices(*map(tf.zeros_like, noise))
        soft = Choices(*(relaxation.gumbel_softmax(a, n, temperature) for a, n in zip(logits, noise)))
        soft = soft._replace(edges=relaxation.limit_inputs(space, soft.edges))
        if self.form != "gumbel_hard":
            return Sample(soft)
        costly = ((depth_grid(space) >= 0).astype(float),
                  np.array([float(space.primitive(p).branch != "none") for p in space.primitives]))
        images = tf.maximum(batch_size * replicas() // SECOND_PATH, 1)  # of the whole batch
        here, size = (tf.cast(number, dtype) for number in (images_here(images), batch_size))
        return relaxation.straight_through_sample(hard, soft, (second_depths, second_edges), costly,
                                                  tf.cast(images, dtype) / (size * replicas()), here / size)


@functools.lru_cache(maxsize=2)  # every replica traces the step that draws from them
def networks_near_budget(tables: CostTables, budget: Budget, seed: int) -> Choices:
    """Draws networks that use nearly all of a budget, where the derived ones are compared.

    Uniform draws, each moved to the budget by random mutations, and networks that are a few mutations away.

    Returns: one-hot widths [N, stages, W], depths [N, stages, D] and edges [N, groups, edges, primitives].
    """
    rng, networks = np.random.default_rng([seed, 2]), []
    for i in range(NETWORKS):
        start = evolution.mutated(networks[-1], rng) if i % SUCCESSIVE else random_genotype(tables.space, rng)
        networks.append(evolution.moved_to_budget(start, tables, budget, rng))
    return Choices(*map(np.stack, zip(*map(one_hot, networks))))


def mixed_logits(logits: Choices, networks: Choices, fraction: float, seed: tf.Tensor) -> Choices:
    """Returns the logits of one of `networks_near_budget` in a fraction of the steps, else the given logits; by the
    stateless seed [2] of the step."""
    toss, row = tf.unstack(tf.random.stateless_uniform([2], seed))
    row = tf.cast(row * len(networks.widths), tf.int32)
    return Choices(*(tf.where(toss < fraction, 1e9 * (tf.gather(tf.constant(network, a.dtype), row) - 1), a)
                     for network, a in zip(networks, logits)))
