"""The supernet: all networks of a search space in one Keras model, and the bilevel step that searches it."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from bars_tf.cost.budget import Budget
from bars_tf.cost.expected import expected_cost
from bars_tf.cost.measures import Cost
from bars_tf.cost.tables import cost_tables
from bars_tf.legacy_keras import tf
from bars_tf.network.builder import build
from bars_tf.search.derivation.optimum import check_budget
from bars_tf.search.supernet import objective
from bars_tf.search.supernet.factory import SupernetFactory
from bars_tf.search.supernet.relaxation import Sample, hard_sample
from bars_tf.search.supernet.sampling import Sampler
from bars_tf.space.channels import Channels
from bars_tf.space.encoding import Choices, depth_grid, one_hot, shapes
from bars_tf.space.fields import SAMPLING
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.distribution import replicas

METRICS = ("loss", "accuracy", "arch_loss", "arch_accuracy", "expected_ops", "skip_share", "none_share",
           "width_entropy", "depth_entropy", "micro_entropy")
# No Python control flow here needs AutoGraph, whose translation takes longer than tracing.
no_autograph = tf.autograph.experimental.do_not_convert


class Supernet(tf.keras.Model):
    """A Keras model that holds the shared weights and the alphas (logits of all choices) of a search space.

    `fit` takes batches ((images, labels), (images, labels)): the first pair trains the weights, the second the alphas
    (first-order bilevel optimization, as in BARS). `evaluate` takes (images, labels), under the most probable choices.

    Args:
        space, num_classes: the search space, and the number of classes.
        input_shape: (height, width, channels) of an image.
        seed: seed of all draws; the draw of a step depends on the seed and the step alone.

    Attributes:
        arch_variables: the alphas of widths [stages, W], depths [stages, D] and edges [groups, edges, primitives].
        weight_variables: all other trainable variables.
        layers_by_name: the layers that all candidates share.
        channels_by_name: (source, target) channels of each layer, None where a width has no effect.
    """

    def __init__(self, space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int, seed: int = 0):
        super().__init__(name=f"{space.name}_supernet")
        self.space, self.image_shape, self.num_classes, self.seed = space, tuple(input_shape), num_classes, seed
        self.tables = cost_tables(space, self.image_shape, num_classes)
        self.budget, self.depth_choices = Budget(), depth_grid(space)
        noise = np.random.default_rng(seed)
        # BARS's code starts the alphas at 1e-3 * randn.
        self.arch_variables = [
            tf.Variable(1e-3 * noise.standard_normal(shape), dtype=self.compute_dtype, name=f"alpha_{name}")
            for name, shape in zip(("width", "depth", "edge"), shapes(space))]
        self.temperature = tf.Variable(1.0, trainable=False, name="temperature", dtype=self.compute_dtype)
        self.entropy_weight = tf.Variable(0.0, trainable=False, name="entropy_weight", dtype=self.compute_dtype)
        self.arch_active = tf.Variable(True, trainable=False, name="arch_active")
        self._arch_traced = True  # the value of `arch_active` while a step is traced
        self.search_step = tf.Variable(0, trainable=False, dtype=tf.int64, name="search_step",
                                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        self.layers_by_name: dict[str, tf.keras.layers.Layer] = {}
        self.channels_by_name: dict[str, tuple[Channels | None, Channels | None]] = {}
        self._metrics_by_name = {name: tf.keras.metrics.Mean(name) for name in METRICS}
        self(tf.zeros((1, *self.image_shape), self.compute_dtype))
        self.weight_variables = [v for v in self.trainable_variables if not any(v is a for a in self.arch_variables)]

    # Choices

    @property
    def logits(self) -> Choices:
        """The alphas as tensors; -1e9 where a depth choice does not exist."""
        widths, depths, edges = self.arch_variables
        missing = tf.constant(np.where(self.depth_choices >= 0, 0.0, -1e9), depths.dtype)
        return Choices(tf.convert_to_tensor(widths), depths + missing, tf.convert_to_tensor(edges))

    def probabilities(self) -> Choices:
        """Returns the probabilities softmax(logits), as tensors."""
        return Choices(*map(tf.nn.softmax, self.logits))

    def alphas(self) -> Choices:
        """Returns the logits as float64 arrays."""
        return Choices(*(tensor.numpy().astype(np.float64) for tensor in self.logits))

    def sample_of(self, genotype: Genotype) -> Sample:
        """Returns the sample under which the supernet is `genotype`."""
        choices = Choices(*(tf.constant(p, self.compute_dtype) for p in one_hot(genotype)))
        return Sample(choices, choices)

    def draw(self, update: str, batch_size: tf.Tensor | None = None) -> Sample:
        """Draws the sample of this step, see `Sampler.draw`."""
        return self.sampler.draw(self.logits, self.temperature, self.search_step, update, batch_size)

    def call(self, images: tf.Tensor, sample: Sample | None = None, mode: str = "eval",
             fraction: Any = None) -> tf.Tensor:
        """Returns the logits [B, num_classes] of images.

        Args:
            images: images [B, height, width, channels].
            sample: coefficients of the candidates; None: the most probable choices.
            mode, fraction: which statistics batch normalization uses and updates, see `BatchNorm`.
        """
        if sample is None:
            sample = hard_sample(self.logits, Choices(0.0, 0.0, 0.0))
        factory = SupernetFactory(self.space, self.num_classes, sample, tf.shape(images)[0], layers=self.layers_by_name,
                                  channels=self.channels_by_name, mode=mode, fraction=fraction)
        return build(factory, tf.cast(images, self.compute_dtype), self.image_shape[-1])

    # Training

    def compile(self, weight_optimizer: Any = "adam", arch_optimizer: Any = "adam", budget: Budget | None = None,
                sampling: str = "gumbel_hard", cost_exponent: float = 1.0, uniform_share: float = 0.0,
                **kwargs: Any) -> None:
        """Configures the search.

        Args:
            weight_optimizer, arch_optimizer: Keras optimizers of the two sets of variables.
            budget: limits that steer the alphas, and that derived genotypes keep; None: no limits.
            sampling: "softmax", "gumbel" (soft) or "gumbel_hard" (straight-through; computes the sampled candidates).
            cost_exponent: exponent of `objective.cost_factor`.
            uniform_share: fraction of the weight steps that train networks drawn uniformly near the budget (as SPOS,
                arXiv 1904.00420, draws all); the other steps draw by the alphas, as BARS does.
            **kwargs: further arguments of `tf.keras.Model.compile`.

        Raises: ValueError on unknown sampling, arguments of Keras that a supernet sets itself, or a budget that no
            network keeps.
        """
        if own := {"optimizer", "loss", "metrics"} & kwargs.keys():
            raise ValueError(f"{min(own)}: a supernet has its own; optimizers are weight_optimizer and arch_optimizer")
        if sampling not in SAMPLING:
            raise ValueError(f"sampling={sampling!r}: must be one of {', '.join(SAMPLING)}")
        self.weight_optimizer = tf.keras.optimizers.get(weight_optimizer)
        # As `optimizer` too, whose learning rate Keras's own callbacks change.
        super().compile(self.weight_optimizer, loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                        **kwargs)
        self.arch_optimizer = tf.keras.optimizers.get(arch_optimizer)
        self.budget, self.cost_exponent = budget or Budget(), cost_exponent
        self.sampler = Sampler(sampling, self.seed, uniform_share, self.tables, self.budget)
        check_budget(self.tables, self.budget)
        for optimizer, variables in ((self.weight_optimizer, self.weight_variables),
                                     (self.arch_optimizer, self.arch_variables)):
            # Variables made while tracing would have the step traced twice.
            (optimizer.build if hasattr(optimizer, "build") else optimizer._create_all_weights)(variables)

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        return list(self._metrics_by_name.values())

    @no_autograph
    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        weights, alphas = _halves(data)
        logs = self.weight_step(*weights)
        resting = [tf.zeros((), self.compute_dtype)] * 2
        if not tf.distribute.has_strategy():
            arch = tf.cond(self.arch_active, lambda: self.arch_step(*alphas), lambda: resting)
        else:  # a strategy cannot synchronize within a branch: `activate_arch` has the step traced anew
            arch = self.arch_step(*alphas) if self._arch_traced else resting
        self.search_step.assign_add(1)
        for name, value in {**logs, **self._state_of_choices()}.items():
            self._metrics_by_name[name].update_state(value)
        for name, value in zip(("arch_loss", "arch_accuracy"), arch):
            self._metrics_by_name[name].update_state(value, sample_weight=tf.cast(self.arch_active, tf.float32))
        return {name: metric.result() for name, metric in self._metrics_by_name.items()}

    def activate_arch(self, active: bool) -> None:
        """Sets whether the following steps update the alphas."""
        changed, self._arch_traced = self._arch_traced != active, active
        self.arch_active.assign(active)
        with self.distribute_strategy.scope():
            if changed and tf.distribute.has_strategy() and self.train_function:
                self.train_function = self.make_train_function(force=True)

    def weight_step(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
                    ) -> dict[str, tf.Tensor]:
        """Updates the weights under a sample of the choices. Returns the loss and the accuracy."""
        sample = self.draw("weights")
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.weight_variables)
            logits = self(images, sample, mode="train")
            loss = self.compiled_loss(labels, logits, weights)
        gradients = tape.gradient(loss, self.weight_variables)
        gradients = [tf.zeros_like(v) if g is None else g for g, v in zip(gradients, self.weight_variables)]
        self.weight_optimizer.apply_gradients(zip(gradients, self.weight_variables))
        return {"loss": loss * replicas(), "accuracy": _accuracy(labels, logits)}

    def arch_step(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None) -> list[tf.Tensor]:
        """Updates the alphas by `objective`; weights and statistics stay. Returns the loss and the accuracy."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.arch_variables)
            logits = self(images, self.draw("alphas", tf.shape(images)[0]), mode="arch")
            loss = self.compiled_loss(labels, logits, weights)
            factor = objective.cost_factor(self.expected_cost(), self.budget, self.cost_exponent)
            entropy = objective.total_entropy(self.probabilities())
            # Keras has divided the loss by the number of replicas, whose gradients will be summed.
            value = loss * factor + self.entropy_weight * entropy / replicas()
        gradients = tape.gradient(value, self.arch_variables)
        self.arch_optimizer.apply_gradients(zip(gradients, self.arch_variables))
        return [loss * replicas(), _accuracy(labels, logits)]

    def expected_cost(self) -> Cost:
        """Returns the expected cost under the probabilities, in scalar tensors (see `cost.expected`)."""
        return Cost(*tf.unstack(expected_cost(self.tables, self.probabilities(), xp=tf)))

    def _state_of_choices(self) -> dict[str, tf.Tensor]:
        probabilities = self.probabilities()
        edges = tf.reduce_mean(probabilities.edges, axis=[0, 1])
        shares = {f"{name}_share": edges[self.space.primitives.index(name)] if name in self.space.primitives else 0.0
                  for name in ("skip", "none")}
        entropies = objective.relative_entropies(probabilities, self.space)
        return {"expected_ops": self.expected_cost().ops, **shares, **{f"{k}_entropy": v for k, v in entropies.items()}}

    @no_autograph
    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        images, labels = data[:2]
        logits = self(images)
        values = {"loss": replicas() * self.compiled_loss(labels, logits), "accuracy": _accuracy(labels, logits)}
        for name, value in values.items():
            self._metrics_by_name[name].update_state(value, sample_weight=tf.shape(images)[0])
        return {name: self._metrics_by_name[name].result() for name in values}

    def derive(self, batches: Iterable, num_samples: int = 8) -> Genotype:
        """Returns the best genotype within the budget: candidates from the alphas, scored on `batches` (see `rank`)."""
        from bars_tf.search.ranking import rank  # late, because `search.ranking` stands above the supernet

        return rank(self, batches, num_samples)[0].genotype


def _halves(data):
    pairs = isinstance(data, (tuple, list)) and [isinstance(half, (tuple, list)) and 2 <= len(half) <= 3
                                                 for half in data]
    if pairs != [True, True]:
        raise ValueError("a batch of a search is ((images, labels), (images, labels)), for the weights and for the "
                         "alphas: bars_tf.data.bilevel makes such")
    for _, labels, *_ in data:
        if labels.shape.rank is not None and labels.shape.rank > 1 and labels.shape[-1] != 1:
            raise ValueError(f"labels have shape {labels.shape}: they are numbers of classes [B], not one-hot")
    return data


def _accuracy(labels, logits):
    hits = tf.argmax(logits, -1, output_type=tf.int32) == tf.cast(tf.reshape(labels, [-1]), tf.int32)
    return tf.reduce_mean(tf.cast(hits, logits.dtype))
