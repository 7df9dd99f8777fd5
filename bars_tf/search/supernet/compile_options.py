"""What `Supernet.compile` takes, checked by name."""

import math
import numbers
from collections.abc import Collection, Mapping
from typing import Any

from bars_tf.cost.budget import Budget
from bars_tf.errors import FieldError
from bars_tf.legacy_keras import tf
from bars_tf.space.fields import SAMPLING

# Options of Keras's own `compile` that a supernet has not.
OWN = {name: "a supernet has its own; optimizers are weight_optimizer and arch_optimizer"
       for name in ("optimizer", "loss", "metrics", "loss_weights", "weighted_metrics")} | {
    "jit_compile": "XLA cannot compile a supernet, whose step computes other shapes for every sample"}

# The entries of a supernet's `compile_config`.
COMPILED = ("weight_optimizer", "arch_optimizer", "budget", "device", "sampling", "cost_exponent", "uniform_share")


def check(budget: Any, sampling: Any, cost_exponent: Any, uniform_share: Any, options: Mapping[str, Any]) -> None:
    """Raises FieldError for values that an argument cannot have, and for `options` of Keras that a supernet has not."""
    for name, value in options.items():
        if value and name in OWN:
            raise FieldError(name, value, OWN[name])
    if budget is not None and not isinstance(budget, Budget):
        raise FieldError("budget", budget, "must be a bars_tf.Budget, such as Budget(ops=250e3)")
    if sampling not in SAMPLING:
        raise FieldError("sampling", sampling, f"must be one of {', '.join(SAMPLING)}")
    if not isinstance(cost_exponent, numbers.Real) or not 0 <= cost_exponent < math.inf:
        raise FieldError("cost_exponent", cost_exponent, "must be a number of at least 0")
    if not isinstance(uniform_share, numbers.Real) or not 0 <= uniform_share <= 1:
        raise FieldError("uniform_share", uniform_share, "must be a number from 0 to 1")


def check_config(name: str, config: Any, keys: Collection[str]) -> None:
    """Raises FieldError for a configuration without one of the keys, or with others."""
    if not isinstance(config, Mapping) or set(config) != set(keys):
        given = sorted(config) if isinstance(config, Mapping) else config
        raise FieldError(name, given, f"must be a dictionary of {', '.join(keys)}, as get_{name} returns it")


def optimizers(weight_optimizer: Any, arch_optimizer: Any, scaled: bool) -> list[tf.keras.optimizers.Optimizer]:
    """Both optimizers, from what Keras takes for one; `scaled`: with scaled losses, without which gradients in float16
    vanish. Raises FieldError for what is none."""
    if weight_optimizer is arch_optimizer and not isinstance(weight_optimizer, str):
        raise FieldError("arch_optimizer", arch_optimizer, "must not be the weight_optimizer too: an optimizer keeps "
                         "the moments of its own variables")
    found, scaling = [], tf.keras.mixed_precision.LossScaleOptimizer
    for name, given in (("weight_optimizer", weight_optimizer), ("arch_optimizer", arch_optimizer)):
        try:
            optimizer = tf.keras.optimizers.get(given)
        except (ValueError, TypeError, AttributeError):
            raise FieldError(name, given, "must be an optimizer of tf.keras (Keras 2), or the name of one") from None
        if getattr(optimizer, "use_ema", False):
            raise FieldError(name, "use_ema=True", "Keras averages all variables, of which an optimizer has some")
        found.append(scaling(optimizer) if scaled and not isinstance(optimizer, scaling) else optimizer)
    return found


def check_built(optimizer: tf.keras.optimizers.Optimizer, variables: Collection[tf.Variable]) -> None:
    """Raises FieldError for an optimizer that has been built already, for other variables than these."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    known = getattr(inner, "_index_dict", None)  # the older optimizers of Keras, which have none, take further ones
    if known is not None and any(inner._var_key(variable) not in known for variable in variables):
        raise FieldError("optimizer", inner.name, "belongs to another model, whose variables it was built for: each "
                         "supernet needs optimizers of its own")
