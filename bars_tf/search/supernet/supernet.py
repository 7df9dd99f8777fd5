"""The supernet: all networks of a search space in one Keras model, and the bilevel step that searches it."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from bars_tf.cost.budget import Budget
from bars_tf.cost.device import Device
from bars_tf.cost.tables import cost_tables
from bars_tf.errors import FieldError
from bars_tf.legacy_keras import tf
from bars_tf.search.derivation.optimum import check_budget
from bars_tf.search.supernet import compile_options, objective
from bars_tf.search.supernet.batches import batch_of, halves_of, halves_of_arrays, weights_of_classes
from bars_tf.search.supernet.checks import read_again
from bars_tf.search.supernet.metrics import METRICS, Mean, accuracy
from bars_tf.search.supernet.relaxation import Sample
from bars_tf.search.supernet.sampling import Sampler
from bars_tf.search.supernet.shared_weights import SharedWeights, no_autograph
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.distribution import replicas


@tf.keras.saving.register_keras_serializable("bars_tf")
class Supernet(SharedWeights):
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
        super().__init__(space, input_shape, num_classes, seed)
        self.budget, self.class_weights = Budget(), None
        self.temperature = tf.Variable(1.0, trainable=False, name="temperature", dtype=self.variable_dtype)
        self.entropy_weight = tf.Variable(0.0, trainable=False, name="entropy_weight", dtype=self.variable_dtype)
        self.arch_active = tf.Variable(True, trainable=False, name="arch_active")
        self._arch_traced = True  # the value of `arch_active` while a step is traced
        self.search_step = tf.Variable(0, trainable=False, dtype=tf.int64, name="search_step",
                                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        self._metrics_by_name = {name: Mean(name) for name in METRICS}

    def draw(self, update: str, batch_size: tf.Tensor | None = None) -> Sample:
        """Draws the sample of this step, see `Sampler.draw`."""
        return self.sampler.draw(self.logits, self.temperature, self.search_step, update, batch_size)

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

        Raises: FieldError for what these cannot be, and for arguments of Keras that a supernet sets itself; ValueError
            for a budget that no network keeps.
        """
        if not all(layer.trainable for layer in (self, *self.layers_by_name.values())):
            raise FieldError("trainable", False, "a supernet trains all layers; activate_arch(False) keeps the alphas")
        compile_options.check(budget, sampling, cost_exponent, uniform_share, kwargs)
        self.weight_optimizer, self.arch_optimizer = compile_options.optimizers(
            weight_optimizer, arch_optimizer, scaled=self.dtype_policy.name == "mixed_float16")
        # As `optimizer` too, whose learning rate Keras's own callbacks change.
        super().compile(self.weight_optimizer, loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                        **kwargs)
        self.budget, self.cost_exponent = budget or Budget(), cost_exponent
        self.tables = cost_tables(self.space, self.image_shape, self.num_classes, self.budget.device)
        self.sampler = Sampler(sampling, self.seed, uniform_share, self.tables, self.budget)
        check_budget(self.tables, self.budget)
        for optimizer, variables in ((self.weight_optimizer, self.weight_variables),
                                     (self.arch_optimizer, self.arch_variables)):
            # Variables made while tracing would have the step traced twice.
            (optimizer.build if hasattr(optimizer, "build") else optimizer._create_all_weights)(variables)
            compile_options.check_built(optimizer, variables)

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as plain data; None before it."""
        if not self._is_compiled:
            return None
        optimizers = {name: tf.keras.optimizers.serialize(getattr(self, name))
                      for name in ("weight_optimizer", "arch_optimizer")}
        device = self.budget.device
        return {**optimizers, "budget": self.budget.limits(), "device": device and device.to_dict(),
                "sampling": self.sampler.form, "cost_exponent": self.cost_exponent,
                "uniform_share": self.sampler.uniform_share}

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        compile_options.check_config("compile_config", config, compile_options.COMPILED)
        try:
            optimizers = {name: tf.keras.optimizers.deserialize(config[name]) for name in compile_options.COMPILED[:2]}
            device = config["device"] and Device.from_dict(config["device"])
            budget = Budget(**config["budget"], device=device)
        except (TypeError, KeyError) as error:
            raise FieldError("compile_config", config, f"is damaged: {error}") from None
        self.compile(**optimizers, budget=budget, **{name: config[name] for name in compile_options.COMPILED[4:]})

    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, epochs: int = 1, *,
            class_weight: Mapping[int, float] | None = None, **options: Any) -> tf.keras.callbacks.History:
        """Searches, by Keras's `fit`.

        Args:
            x: pairs of batches by a `tf.data.Dataset`, a Python generator or a `Sequence`; or images.
            y: labels of these images. Of images and labels, one half chosen by the seed trains the weights, the other
                half the alphas; `batch_size` (32) of each make a step.
            batch_size, epochs, class_weight, **options: as in `tf.keras.Model.fit`.
        """
        checks, validation = self._checks("pairs"), self._checks()
        if y is not None and not isinstance(x, (tf.data.Dataset, tf.keras.utils.Sequence)):
            x, options = halves_of_arrays(x, y, batch_size or 32, self, **options)
            y = batch_size = None
        else:
            x = checks.of(x)
        self._weigh(class_weight)
        if (given := options.get("validation_data")) is not None:  # which Keras reads without `evaluate`
            options["validation_data"] = validation.of(tuple(given) if isinstance(given, list) else given)
        self._eval_data_handler = None  # that of a `fit` that broke off
        with checks, validation:
            return super().fit(x, y, batch_size, epochs, **options)

    def _weigh(self, class_weight):
        weights = weights_of_classes(class_weight, self.num_classes)
        if weights != self.class_weights:
            self.class_weights, self.train_function = weights, None  # has the step traced anew

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, class_weight: Mapping[int, float] | None = None,
                       **options: Any) -> Any:
        """Keras's `train_on_batch`, of a pair of batches."""
        x, y = self._checks("pairs").check((x, y))
        self._weigh(class_weight)
        return super().train_on_batch(x, y, *args, **options)

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        return list(self._metrics_by_name.values())

    @no_autograph
    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        weights, alphas = halves_of(data, self.class_weights)
        logs = self.weight_step(*weights)
        resting = [tf.zeros((), self.variable_dtype)] * 2
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
            loss = self.compiled_loss(labels, logits, weights, self.losses)
            value = _scaled(loss, self.weight_optimizer)
        gradients = _unscaled(tape.gradient(value, self.weight_variables), self.weight_optimizer)
        gradients = [tf.zeros_like(v) if g is None else g for g, v in zip(gradients, self.weight_variables)]
        self.weight_optimizer.apply_gradients(zip(gradients, self.weight_variables))
        return {"loss": loss * replicas(), "accuracy": accuracy(labels, logits)}

    def arch_step(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None) -> list[tf.Tensor]:
        """Updates the alphas by `objective`; weights and statistics stay. Returns the loss and the accuracy."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.arch_variables)
            logits = self(images, self.draw("alphas", tf.shape(images)[0]), mode="arch")
            loss = self.compiled_loss(labels, logits, weights)
            factor = objective.cost_factor(self.expected_cost(), self.budget, self.cost_exponent)
            entropy = objective.total_entropy(self.probabilities())
            # Keras has divided the loss by the number of replicas, whose gradients will be summed.
            value = _scaled(loss * factor + self.entropy_weight * entropy / replicas(), self.arch_optimizer)
        gradients = _unscaled(tape.gradient(value, self.arch_variables), self.arch_optimizer)
        self.arch_optimizer.apply_gradients(zip(gradients, self.arch_variables))
        return [loss * replicas(), accuracy(labels, logits)]

    def _state_of_choices(self) -> dict[str, tf.Tensor]:
        probabilities = self.probabilities()
        edges = tf.reduce_mean(probabilities.edges, axis=[0, 1])
        shares = {f"{name}_share": edges[self.space.primitives.index(name)] if name in self.space.primitives else 0.0
                  for name in ("skip", "none")}
        entropies = objective.relative_entropies(probabilities, self.space)
        return {"expected_ops": self.expected_cost().ops, **shares, **{f"{k}_entropy": v for k, v in entropies.items()}}

    @no_autograph
    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        images, labels, weights = batch_of(data)
        logits = self(images)
        values = {"loss": replicas() * self.compiled_loss(labels, logits, weights, self.losses),
                  "accuracy": accuracy(labels, logits)}
        for name, value in values.items():
            self._metrics_by_name[name].update_state(value, sample_weight=tf.shape(images)[0])
        return {name: self._metrics_by_name[name].result() for name in values}

    def derive(self, batches: Iterable, num_samples: int = 8) -> Genotype:
        """Returns the best genotype within the budget: candidates from the alphas, scored on `batches` (see `rank`)."""
        from bars_tf.search.ranking import rank  # late, because `search.ranking` stands above the supernet

        if not isinstance(num_samples, (int, np.integer)) or num_samples < 0:
            raise FieldError("num_samples", num_samples, "must be an integer of at least 0")
        if not all(np.isfinite(alphas.numpy()).all() for alphas in self.arch_variables):
            raise FieldError("alphas", np.nan, "the search has diverged: a lower learning rate may help, and images "
                             "must be finite")
        return rank(self, read_again(batches, self.image_shape, self.num_classes), num_samples)[0].genotype


def _scaled(loss, optimizer):
    """The loss as an optimizer wants it, which may scale it under mixed_float16; `_unscaled` takes that back."""
    return optimizer.get_scaled_loss(loss) if hasattr(optimizer, "get_scaled_loss") else loss


def _unscaled(gradients, optimizer):
    return optimizer.get_unscaled_gradients(gradients) if hasattr(optimizer, "get_scaled_loss") else gradients
