"""The supernet: all networks of a space in one Keras model, and the bilevel step that searches it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import Budget
from bars_tf.legacy_keras import tf
from bars_tf.network.builder import network
from bars_tf.search.derivation import candidates as derive
from bars_tf.search.supernet import relaxation, scoring
from bars_tf.search.supernet.factory import SupernetOps
from bars_tf.search.supernet.layers import replicas
from bars_tf.search.supernet.relaxation import Sample
from bars_tf.space.channels import Channels
from bars_tf.space.encoding import Choices, depth_grid, one_hot
from bars_tf.space.fields import SAMPLING
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace

# A second path is computed on one image in so many (our choice): its gradient is noisier by the draws than by that.
SECOND_PATH = 4
# Nothing here needs Python control flow translated, and translating takes longer than tracing.
no_autograph = tf.autograph.experimental.do_not_convert


class Supernet(tf.keras.Model):
    """A Keras model that holds weights and alphas of a search space.

    `fit` takes batches ((images, labels), (images, labels)): the first pair trains the weights, the second the alphas
    (first-order bilevel optimization). `evaluate` takes (images, labels) and evaluates the most probable choices.

    Args:
        space: the search space.
        input_shape: (height, width, channels) of an image.
        num_classes: number of classes.
        seed: of all draws; the draw of a step depends on the seed and the step alone.
    """

    def __init__(self, space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int, seed: int = 0):
        super().__init__(name=f"{space.name}_supernet")
        self.space, self.image_shape, self.num_classes, self.seed = space, tuple(input_shape), num_classes, seed
        self.tables = complexity.cost_tables(space, self.image_shape, num_classes)
        self.budget = Budget()
        self.depth_choices = depth_grid(space)
        self._depth_exists = self.depth_choices >= 0
        # Which choices of depth and of primitive take time to compute.
        self._costly = (self._depth_exists.astype(float),
                        np.array([float(space.primitive(p).branch != "none") for p in space.primitives]))
        noise = np.random.default_rng(seed)
        shapes = {
            "width": (space.num_stages, len(space.width_choices)),
            "depth": self.depth_choices.shape,
            "edge": (len(space.groups), len(space.edges), len(space.primitives)),
        }
        # BARS's code starts the alphas at 1e-3 * randn.
        self.arch_variables = [
            tf.Variable(1e-3 * noise.standard_normal(shape), dtype=self.compute_dtype, name=f"alpha_{name}")
            for name, shape in shapes.items()
        ]
        self.temperature = tf.Variable(1.0, trainable=False, name="temperature", dtype=self.compute_dtype)
        self.entropy_weight = tf.Variable(0.0, trainable=False, name="entropy_weight", dtype=self.compute_dtype)
        self.arch_active = tf.Variable(True, trainable=False, name="arch_active")
        self._arch_traced = True  # what `arch_active` is, known while a step is traced
        self.search_step = tf.Variable(0, trainable=False, dtype=tf.int64, name="search_step",
                                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        self.layers_by_name: dict[str, tf.keras.layers.Layer] = {}
        # (source, target) channels of each layer, None where it has none that a width could choose.
        self.channels_by_name: dict[str, tuple[Channels | None, Channels | None]] = {}
        self._metrics_by_name = {name: tf.keras.metrics.Mean(name) for name in METRICS}
        self(tf.zeros((1, *self.image_shape), self.compute_dtype))
        self.weight_variables = [v for v in self.trainable_variables if not any(v is a for a in self.arch_variables)]

    # Forward

    def call(self, images: tf.Tensor, choices: Sample | None = None, mode: str = "eval",
             rate: Any = None) -> tf.Tensor:
        """Logits [B, classes] under some choices (default: the most probable ones).

        `mode` says what batch norm does, see `masked.BatchNorm`.
        """
        if choices is None:
            choices = relaxation.hard_choices(self.logits, [tf.zeros_like(a) for a in self.arch_variables])
        ops = SupernetOps(self, choices, tf.shape(images)[0], mode, rate)
        return network(ops, self.space, tf.cast(images, self.compute_dtype), self.image_shape[-1])

    @property
    def logits(self) -> Choices:
        """The alphas; -1e9 where a depth choice does not exist."""
        width, depth, edge = self.arch_variables
        missing = tf.constant(np.where(self._depth_exists, 0.0, -1e9), depth.dtype)
        return Choices(tf.convert_to_tensor(width), depth + missing, tf.convert_to_tensor(edge))

    def probabilities(self) -> Choices:
        """Probabilities of every choice."""
        return Choices(*map(tf.nn.softmax, self.logits))

    def draw(self, salt: int, batch_size: tf.Tensor | None = None) -> Sample:
        """The choices of this step, drawn by (seed, step). With the batch size given, those of "gumbel_hard" have
        gradients; soft ones always have.

        `salt` is 0 for the weights, 1 for the alphas.
        """
        step_seed = tf.stack([tf.constant(self.seed, tf.int64), self.search_step])
        noises = [relaxation.gumbel(a.shape, step_seed + tf.constant([7919 * (8 * salt + i), 0], tf.int64), a.dtype)
                  for i, a in enumerate([*self.arch_variables, *self.arch_variables[1:]])]
        logits, still = self.logits, [tf.zeros_like(a) for a in self.arch_variables]
        if salt == 0 and self.uniform_share:
            part, row = tf.unstack(tf.random.stateless_uniform([2], step_seed + tf.constant([7919 * 5, 0], tf.int64)))
            networks = derive.drawn_uniformly(self.tables, self.budget, self.seed)
            row = tf.cast(row * len(networks[0]), tf.int32)
            logits = [tf.where(part < self.uniform_share, 1e9 * (tf.gather(tf.constant(drawn, alphas.dtype), row) - 1),
                               alphas) for drawn, alphas in zip(networks, logits)]
            if self.uniform_share == 1:  # one network, which no sampling makes another one
                return relaxation.hard_choices(logits, noises[:3])
        if self.sampling == "softmax":
            return relaxation.soft_choices(logits, still, self.temperature)
        if self.sampling == "gumbel":
            return relaxation.soft_choices(logits, noises[:3], self.temperature)
        if batch_size is not None:
            share = tf.cast(tf.maximum(batch_size // SECOND_PATH, 1), self.compute_dtype)
            share /= tf.cast(batch_size, self.compute_dtype)
            return relaxation.straight_through_choices(logits, noises[:3], noises[3:], self.temperature, self._costly,
                                                       share)
        return relaxation.hard_choices(logits, noises[:3])

    # Training

    def compile(self, weight_optimizer: Any = "adam", arch_optimizer: Any = "adam", budget: Budget | None = None,
                sampling: str = "gumbel_hard", cost_exponent: float = 1.0, uniform_share: float = 1.0,
                **kwargs: Any) -> None:
        """Configures the search.

        Args:
            weight_optimizer, arch_optimizer: Keras optimizers of the two variable sets.
            budget: limits that steer the alphas, and that derived genotypes keep.
            sampling: "softmax", "gumbel" (soft) or "gumbel_hard" (straight-through, computes what is sampled).
            cost_exponent: b of `cost_factor`, by which the loss is multiplied in the arch objective (1 in BARS's code).
            uniform_share: the part of the weight steps that train networks drawn uniformly, whatever the alphas are;
                of several the one whose cost is nearest to the budget (`derive.drawn_uniformly`). The others are drawn
                by the alphas, as in BARS: then the networks that these came to prefer are trained more than others, and
                score above better ones (our choice; SPOS, arXiv 1904.00420, draws all uniformly).
        Raises:
            ValueError: on unknown sampling, on Keras's own arguments that have no place here, or a budget below the
                smallest network of the space.
        """
        if own := {"optimizer", "loss", "metrics"} & kwargs.keys():
            raise ValueError(f"{min(own)}: a supernet has its own; optimizers are weight_optimizer and arch_optimizer")
        if sampling not in SAMPLING:
            raise ValueError(f"sampling={sampling!r}: must be one of {', '.join(SAMPLING)}")
        self.weight_optimizer = tf.keras.optimizers.get(weight_optimizer)
        # Keras's own callbacks change the rate of `optimizer`.
        super().compile(self.weight_optimizer, loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                        **kwargs)
        self.arch_optimizer = tf.keras.optimizers.get(arch_optimizer)
        self.budget, self.sampling, self.cost_exponent = budget or Budget(), sampling, cost_exponent
        self.uniform_share = uniform_share
        derive.check_budget(self.tables, self.budget)
        for optimizer, variables in ((self.weight_optimizer, self.weight_variables),
                                     (self.arch_optimizer, self.arch_variables)):
            # Variables made while tracing would have the step traced twice.
            (optimizer.build if hasattr(optimizer, "build") else optimizer._create_all_weights)(variables)

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        return list(self._metrics_by_name.values())

    @no_autograph
    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        (weight_images, weight_labels), (arch_images, arch_labels) = _halves(data)
        logs = self.weight_step(weight_images, weight_labels)
        names = ("arch_loss", "arch_accuracy")
        resting = [tf.zeros((), self.compute_dtype)] * len(names)
        if replicas() == 1:
            arch = tf.cond(self.arch_active, lambda: self.arch_step(arch_images, arch_labels), lambda: resting)
        else:  # replicas can't meet within a branch: `activate_arch` has the step traced anew
            arch = self.arch_step(arch_images, arch_labels) if self._arch_traced else resting
        self.search_step.assign_add(1)
        for name, value in logs.items():
            self._metrics_by_name[name].update_state(value)
        for name, value in zip(names, arch):
            self._metrics_by_name[name].update_state(value, sample_weight=tf.cast(self.arch_active, tf.float32))
        for name, value in self._state_of_choice().items():
            self._metrics_by_name[name].update_state(value)
        return {name: metric.result() for name, metric in self._metrics_by_name.items()}

    def activate_arch(self, active: bool) -> None:
        """Whether the steps to come move the alphas."""
        changed, self._arch_traced = self._arch_traced != active, active
        self.arch_active.assign(active)
        if changed and self.distribute_strategy.num_replicas_in_sync > 1 and self.train_function:
            self.train_function = self.make_train_function(force=True)

    def weight_step(self, images: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """One step of the weights under sampled choices; alphas stay."""
        choices = self.draw(0)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.weight_variables)
            logits = self(images, choices, mode="train")
            loss = self.compiled_loss(labels, logits)
        gradients = tape.gradient(loss, self.weight_variables)
        gradients = [tf.zeros_like(v) if g is None else g for g, v in zip(gradients, self.weight_variables)]
        self.weight_optimizer.apply_gradients(zip(gradients, self.weight_variables))
        return {"loss": loss * replicas(), "accuracy": _accuracy(labels, logits)}

    def arch_step(self, images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        """One step of the alphas; weights and batch-norm statistics stay. Returns loss and accuracy."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.arch_variables)
            logits = self(images, self.draw(1, tf.shape(images)[0]), mode="arch")
            loss = self.compiled_loss(labels, logits)
            objective = loss * self.cost_factor()
            # Keras has divided the loss by the number of replicas, whose gradients will be summed.
            entropy = tf.add_n([tf.reduce_sum(h) for h in self.entropies().values()])
            objective += self.entropy_weight * entropy / replicas()
        gradients = tape.gradient(objective, self.arch_variables)
        self.arch_optimizer.apply_gradients(zip(gradients, self.arch_variables))
        return [loss * replicas(), _accuracy(labels, logits)]

    def expected_cost(self) -> complexity.Cost:
        """Expected cost under the probabilities, in tensors, as in `complexity`."""
        return complexity.Cost(*tf.unstack(complexity.expected_cost(self.tables, self.probabilities(), xp=tf)))

    def cost_factor(self) -> tf.Tensor:
        """(F / B) ** b for each limit B that the expected cost F exceeds; where it keeps them all, (B / F) ** b of the
        nearest.

        BARS's code leaves costs below the budget alone. Steering from both sides is our choice: a network far below
        its budget wastes it, and the search is drawn there by convolutions that are not trained yet.
        """
        factor, expected = tf.ones((), self.compute_dtype), self.expected_cost()
        ratios = {name: getattr(expected, name) / limit for name, limit in self.budget.limits().items()}
        for ratio in ratios.values():
            factor *= tf.maximum(ratio, 1.0) ** self.cost_exponent
        if complexity.PEAK in ratios and len(ratios) > 1:  # as in `Budget.used`
            ratio = ratios[complexity.PEAK]
            ratios[complexity.PEAK] = tf.where(ratio > 1, ratio, 0)
        if ratios:
            factor *= tf.maximum(1 / tf.reduce_max(tf.stack(list(ratios.values()))), 1.0) ** self.cost_exponent
        return factor

    def entropies(self) -> dict[str, tf.Tensor]:
        """Entropy of every choice: "width" [stages], "depth" [stages], "micro" [groups, edges]."""
        return {n: relaxation.entropy(p) for n, p in zip(("width", "depth", "micro"), self.probabilities())}

    def relative_entropies(self) -> dict[str, tf.Tensor]:
        """Mean entropy of each level as a share of its maximum; a level without a choice has 0."""
        most = {"width": np.log(len(self.space.width_choices)), "depth": np.log(self._depth_exists.sum(-1)).mean(),
                "micro": np.log(len(self.space.primitives))}
        return {n: tf.reduce_mean(h) / max(most[n], 1e-9) for n, h in self.entropies().items()}

    def _state_of_choice(self) -> dict[str, tf.Tensor]:
        edges = tf.reduce_mean(self.probabilities()[2], axis=[0, 1])
        shares = {f"{name}_share": edges[self.space.primitives.index(name)] if name in self.space.primitives else 0.0
                  for name in ("skip", "none")}
        entropies = {f"{name}_entropy": value for name, value in self.relative_entropies().items()}
        return {"expected_ops": self.expected_cost().ops, **shares, **entropies}

    @no_autograph
    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        images, labels = data[:2]
        logits = self(images)
        values = {"loss": replicas() * self.compiled_loss(labels, logits), "accuracy": _accuracy(labels, logits)}
        size = tf.shape(images)[0]
        for name, value in values.items():
            self._metrics_by_name[name].update_state(value, sample_weight=size)
        return {name: self._metrics_by_name[name].result() for name in values}

    # From alphas to a genotype

    def alphas(self) -> Choices:
        """The alphas as arrays."""
        return Choices(*(tensor.numpy().astype(np.float64) for tensor in self.logits))

    def choices_of(self, genotype: Genotype) -> Sample:
        """The choices that force the supernet to be `genotype`."""
        widths, depths, edges = (tf.constant(p, self.compute_dtype) for p in one_hot(genotype))
        return Sample(widths, depths, edges, depths, edges)

    def derive(self, batches: Iterable, num_samples: int = 8) -> Genotype:
        """The best genotype within the budget: candidates from the alphas, each scored on `batches`."""
        return scoring.rank(self, batches, num_samples)[0].genotype


METRICS = ("loss", "accuracy", "arch_loss", "arch_accuracy", "expected_ops", "skip_share", "none_share",
           "width_entropy", "depth_entropy", "micro_entropy")


def _halves(data):
    pairs = isinstance(data, (tuple, list)) and [isinstance(half, (tuple, list)) and len(half) == 2 for half in data]
    if pairs != [True, True]:
        raise ValueError("a batch of a search is ((images, labels), (images, labels)), of which the first are for the "
                         "weights, the others for the alphas: bars_tf.data.bilevel makes such")
    for _, labels in data:
        if labels.shape.rank is not None and labels.shape.rank > 1 and labels.shape[-1] != 1:
            raise ValueError(f"labels have shape {labels.shape}: they are numbers of classes [B], not one-hot")
    return data


def _accuracy(labels, logits):
    hits = tf.argmax(logits, -1, output_type=tf.int32) == tf.cast(tf.reshape(labels, [-1]), tf.int32)
    return tf.reduce_mean(tf.cast(hits, logits.dtype))
