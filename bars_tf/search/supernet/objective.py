"""The objective of the arch step: the loss, multiplied by a cost factor, plus the weighted entropy of all choices.

    objective = loss * cost_factor + entropy_weight * sum(entropies)
"""

import numpy as np

from bars_tf.cost.budget import Budget
from bars_tf.cost.measures import PEAK, Cost
from bars_tf.legacy_keras import tf
from bars_tf.search.supernet import relaxation
from bars_tf.space.encoding import Choices, depth_grid
from bars_tf.space.search_space import SearchSpace


def cost_factor(expected: Cost, budget: Budget, exponent: float) -> tf.Tensor:
    """Returns the factor that steers the expected costs F_i to their limits B_i.

        cost_factor = prod_i max(F_i / B_i, 1) ** b * max(min_i B_i / F_i, 1) ** b

    The first part penalizes each limit that is exceeded (BARS's code). The second, where all are kept, penalizes unused
    budget at the nearest limit (our choice: a network far below its budget wastes it, and convolutions that are not
    trained yet draw the search there). As in `Budget.used`, memory counts beside other limits only where exceeded.

    Without limits the factor is 1. The exponent b is 1 in BARS's code.
    """
    ratios = {name: getattr(expected, name) / limit for name, limit in budget.limits().items()}
    factor = tf.ones((), expected.bops.dtype)
    for ratio in ratios.values():
        factor *= tf.maximum(ratio, 1.0) ** exponent
    if PEAK in ratios and len(ratios) > 1:
        ratios[PEAK] = tf.where(ratios[PEAK] > 1, ratios[PEAK], 0)
    if ratios:
        factor *= tf.maximum(1 / tf.reduce_max(tf.stack(list(ratios.values()))), 1.0) ** exponent
    return factor


def total_entropy(probabilities: Choices) -> tf.Tensor:
    """Returns the sum of the entropies of all choices, in nats."""
    return tf.add_n([tf.reduce_sum(relaxation.entropy(p)) for p in probabilities])


def relative_entropies(probabilities: Choices, space: SearchSpace) -> dict[str, tf.Tensor]:
    """Returns the mean entropy of the widths ("width"), depths ("depth") and edges ("micro"), as a fraction of its
    maximum; 0 where there is no choice."""
    num_depths = (depth_grid(space) >= 0).sum(-1)
    most = (np.log(len(space.width_choices)), np.log(num_depths).mean(), np.log(len(space.primitives)))
    return {name: tf.reduce_mean(relaxation.entropy(p)) / max(maximum, 1e-9)
            for name, p, maximum in zip(("width", "depth", "micro"), probabilities, most)}
