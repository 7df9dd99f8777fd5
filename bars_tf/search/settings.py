"""Settings of a search."""

from __future__ import annotations

import dataclasses

from bars_tf.errors import InputError, as_text


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """How the supernet is searched and genotypes are derived from it.

    Attributes:
        search_epochs: epochs, warm-up included.
        warmup_epochs: first epochs, in which only weights are trained.
        batch_size: images in a step, from each of the two parts of the training set.
        arch_split: fraction of the training images that trains the alphas.
        sampling: "softmax", "gumbel" (soft) or "gumbel_hard" (straight-through).
        uniform_share: fraction of the weight steps that train uniformly drawn networks.
        temperature, final_temperature: of the Gumbel-softmax at the start and at the end.
        entropy_weight: final weight of the entropy of the choices in the objective of the alphas.
        weight_optimizer: "adam" or "sgd".
        weight_lr: initial learning rate of the weights, which falls to 0 along a cosine.
        arch_lr: learning rate of the alphas.
        cost_exponent: exponent of the cost factor in the objective of the alphas.
        clip_norm: limit of the norm of the gradient of the weights; 0 for none.
        num_candidates: genotypes that are scored by the supernet.
        num_finalists: candidates that enter successive halving; 0 for none.
        finalist_epochs: training epochs between two halvings.

    Raises:
        InputError: settings exclude each other.
    """

    search_epochs: int = 50
    warmup_epochs: int = 0
    batch_size: int = 64
    arch_split: float = 0.5
    sampling: str = "gumbel_hard"
    uniform_share: float = 1.0
    temperature: float = 1.0
    final_temperature: float = 0.2
    entropy_weight: float = 0.01
    weight_optimizer: str = "adam"
    weight_lr: float = 1e-3
    arch_lr: float = 1e-2
    cost_exponent: float = 1.0
    clip_norm: float = 5.0
    num_candidates: int = 8
    num_finalists: int = 0
    finalist_epochs: int = 2

    def __post_init__(self):
        if self.warmup_epochs >= self.search_epochs:
            raise InputError.of("warmup_epochs", self.warmup_epochs,
                                f"must be below --search_epochs={self.search_epochs}; give both")
        if self.num_finalists > self.num_candidates:
            raise InputError.of("num_finalists", self.num_finalists, "must be at most the number of candidates, "
                                f"{self.num_candidates}")
        if self.final_temperature > self.temperature:
            raise InputError.of("final_temperature", self.final_temperature,
                                f"must be at most --temperature={as_text(self.temperature)}")
