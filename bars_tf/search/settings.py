"""Settings of a search."""

import dataclasses

from bars_tf.errors import InputError, as_text


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """How the supernet is searched and genotypes are derived from it."""

    search_epochs: int = 48  # warm-up included
    warmup_epochs: int = 0  # in which only weights are trained
    batch_size: int = 64  # images in a step, from each of the two parts of the training set
    arch_split: float = 0.25  # fraction of the training images that trains the alphas
    sampling: str = "gumbel_hard"  # (straight-through), "softmax" or "gumbel" (soft)
    uniform_share: float = 0.0  # fraction of the weight steps that train uniformly drawn networks
    temperature: float = 1.0  # of the Gumbel-softmax at the start
    final_temperature: float = 0.2
    entropy_weight: float = 0.01  # final weight of the entropy of the choices in the objective of the alphas
    weight_optimizer: str = "adam"  # or "sgd"
    weight_lr: float = 5e-3  # initial learning rate of the weights, which falls to 0 along a cosine
    arch_lr: float = 3e-2  # learning rate of the alphas
    cost_exponent: float = 1.0  # of the cost factor in the objective of the alphas
    clip_norm: float = 5.0  # limit of the norm of the gradient of the weights; 0 for none
    num_candidates: int = 8  # genotypes that are scored by the supernet
    num_finalists: int = 4  # candidates that enter successive halving; 0 for none
    finalist_epochs: int = 5  # training epochs between two halvings

    def __post_init__(self):
        if self.warmup_epochs >= self.search_epochs:
            raise InputError.of("warmup_epochs", self.warmup_epochs,
                                f"must be below --search_epochs={self.search_epochs}; give both")
        if self.final_temperature > self.temperature:
            raise InputError.of("final_temperature", self.final_temperature,
                                f"must be at most --temperature={as_text(self.temperature)}")
