"""The weights that all networks of a search space share, and the alphas, as a Keras model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bars_tf.cost.expected import expected_cost
from bars_tf.cost.measures import Cost
from bars_tf.cost.tables import cost_tables
from bars_tf.errors import FieldError
from bars_tf.legacy_keras import require_channels_last, tf
from bars_tf.network.builder import build, check_arguments
from bars_tf.search.supernet.batches import check_images
from bars_tf.search.supernet.checks import Checks
from bars_tf.search.supernet.compile_options import check_config
from bars_tf.search.supernet.factory import SupernetFactory
from bars_tf.search.supernet.relaxation import Sample, gumbel_max, limit_inputs, one_hot_sample
from bars_tf.space.channels import Channels
from bars_tf.space.encoding import Choices, depth_grid, one_hot, shapes
from bars_tf.space.genotype import Genotype
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.distribution import check_strategy, replicas

# No Python control flow of a supernet needs AutoGraph, whose translation takes longer than tracing.
no_autograph = tf.autograph.experimental.do_not_convert
FORMAT = "must end in .keras, the one format that holds a supernet; save_weights writes the weights alone"


class SharedWeights(tf.keras.Model):
    """All networks of a search space in one model, which computes any of them or a mixture.

    Args and Attributes: those of `Supernet`.
    """

    _training_state = None  # Keras's BackupAndRestore deletes it, and a further `fit` would miss it

    def __init__(self, space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int, seed: int = 0):
        check_arguments(space, input_shape, num_classes)
        require_channels_last()
        check_strategy(tf.distribute.get_strategy())
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise FieldError("seed", seed, "must be an integer of at least 0")
        super().__init__(name=f"{space.name}_supernet")
        self.space, self.image_shape, self.num_classes, self.seed = space, tuple(input_shape), num_classes, seed
        if tf.as_dtype(self.variable_dtype) not in (tf.float32, tf.float64):
            raise FieldError("dtype policy", self.variable_dtype, "has too few digits for the alphas; mixed_bfloat16 "
                             "and mixed_float16 have variables in float32")
        self.tables, self.depth_choices = cost_tables(space, self.image_shape, num_classes), depth_grid(space)
        noise = np.random.default_rng(seed)
        # BARS's code starts the alphas at 1e-3 * randn.
        self.arch_variables = [
            tf.Variable(1e-3 * noise.standard_normal(shape), dtype=self.variable_dtype, name=f"alpha_{name}")
            for name, shape in zip(("width", "depth", "edge"), shapes(space))]
        self.layers_by_name: dict[str, tf.keras.layers.Layer] = {}
        self.channels_by_name: dict[str, tuple[Channels | None, Channels | None]] = {}
        self(tf.zeros((1, *self.image_shape), self.compute_dtype))
        self.weight_variables = [v for v in self.trainable_variables if not any(v is a for a in self.arch_variables)]

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

    def expected_cost(self) -> Cost:
        """Returns the expected cost under the probabilities, in scalar tensors (see `cost.expected`)."""
        return Cost(*tf.unstack(expected_cost(self.tables, self.probabilities(), xp=tf)))

    def sample_of(self, genotype: Genotype) -> Sample:
        """Returns the sample under which the supernet is `genotype`."""
        return one_hot_sample(Choices(*(tf.constant(p, self.variable_dtype) for p in one_hot(genotype))))

    def most_probable_sample(self) -> Sample:
        """Returns the sample of the most probable choices; of more inputs than a node keeps, the most probable ones."""
        logits = self.logits
        hard = Choices(*(gumbel_max(a, 0.0) for a in logits))
        likeliest = tf.reduce_max(tf.math.log_softmax(logits.edges), axis=-1)
        return one_hot_sample(hard._replace(edges=limit_inputs(self.space, hard.edges, likeliest)))

    def call(self, images: tf.Tensor, sample: Sample | None = None, mode: str = "eval",
             fraction: Any = None) -> tf.Tensor:
        """Returns the logits [B, num_classes] of images.

        Args:
            images: images [B, height, width, channels].
            sample: coefficients of the candidates; None: the most probable choices.
            mode, fraction: which statistics batch normalization uses and updates, see `BatchNorm`.
        """
        if sample is None:
            sample = self.most_probable_sample()
        check_images(images, self.image_shape)
        images = tf.ensure_shape(images, (None, *self.image_shape))  # a shape that those of generators get here
        images = tf.cast(images, self.compute_dtype)
        if mode == "eval" and replicas() > 1:  # the last images may be fewer than the devices
            given = tf.shape(images)[0]
            images = tf.pad(images, [[0, tf.cast(given == 0, given.dtype)], [0, 0], [0, 0], [0, 0]])
            return self._logits(images, sample, mode, fraction)[:given]
        return self._logits(images, sample, mode, fraction)

    def _logits(self, images, sample, mode, fraction):
        factory = SupernetFactory(self.space, self.num_classes, sample, images, layers=self.layers_by_name,
                                  channels=self.channels_by_name, mode=mode, fraction=fraction)
        return build(factory, images, self.image_shape[-1])

    def build(self, input_shape: Any) -> None:
        """Nothing: all layers are there. Keras calls it for models from files, outside the policy of dtypes."""

    @no_autograph
    def predict_step(self, data: Any) -> tf.Tensor:
        return super().predict_step(data)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """Keras's `predict`: the logits under the most probable choices."""
        with self._checks("images") as checks:
            return super().predict(checks.of(x), *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Keras's `evaluate`: loss and accuracy under the most probable choices."""
        with self._checks() as checks:
            x = x if "_use_cached_eval_dataset" in kwargs else checks.of(x, y)  # that is of `fit`
            return super().evaluate(x, y, *args, **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Keras's `test_on_batch`."""
        with self._checks() as checks:
            return super().test_on_batch(checks.of(x, y), y, *args, **kwargs)

    def _checks(self, form: str = "batches") -> Checks:
        return Checks(self.image_shape, self.num_classes, form, self.distribute_strategy.num_replicas_in_sync)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain data, from which `from_config` makes a model with weights of its own."""
        return {"space": self.space.to_dict(), "input_shape": list(self.image_shape), "num_classes": self.num_classes,
                "seed": self.seed}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> SharedWeights:
        check_config("config", config, ("space", "input_shape", "num_classes", "seed"))
        return cls(SearchSpace.from_dict(config["space"]), config["input_shape"], config["num_classes"], config["seed"])

    def _updated_config(self) -> dict[str, Any]:  # of `to_json`, which has the class without its package
        return {**super()._updated_config(), "class_name": tf.keras.saving.get_registered_name(type(self))}

    def save(self, filepath: Any, overwrite: bool = True, save_format: str | None = None, **kwargs: Any) -> None:
        """Writes a `.keras` file, which `tf.keras.models.load_model` reads; raises FieldError for the older formats."""
        if not str(filepath).endswith(".keras"):
            raise FieldError("filepath", str(filepath), FORMAT)
        if save_format not in (None, "keras"):
            raise FieldError("save_format", save_format, FORMAT)
        super().save(filepath, overwrite, save_format, **kwargs)

    @property
    def _trackable_saved_model_saver(self):  # what TensorFlow's and Keras's own functions ask for a SavedModel
        raise FieldError("format", "SavedModel", FORMAT)
