"""Constants of a device, fitted to measured times: of single operations, or of whole networks."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import lsq_linear, nnls

from bars_tf.cost.device import Constants
from bars_tf.cost.operation import Operation

# How much a constant of whole networks is held at its prior: at weight 1, being off by all of it costs as much as being
# off by all of a network's time (our choice; between 0.01 and 0.1 the errors of networks left out differ little).
PRIOR_WEIGHT = 0.03
LEAST, MOST = 0.2, 5.0  # bounds of a constant, as factors of its prior


def of_operations(times: Mapping[Operation, float]) -> dict[str, Constants]:
    """The constants of every kind of operation that was measured, from microseconds of operations.

    Least squares of relative errors, neither constant below 0. A kind of one size of work has no constant of a call.
    """
    found = {}
    for kind in dict.fromkeys(operation.kind for operation in times):
        measured = [(operation.work, us) for operation, us in times.items() if operation.kind == kind]
        work, us = np.array(measured, dtype=np.float64).T
        calls = np.full(len(us), float(len(set(work)) > 1))
        (call_us, unit_us), _ = nnls(np.stack([calls / us, work / us], axis=1), np.ones(len(us)))
        found[kind] = Constants(float(call_us), float(1e3 * unit_us))
    return found


def of_networks(networks: Sequence[Sequence[Operation]], times_us: Sequence[float], prior: Mapping[str, Constants]
                ) -> dict[str, Constants]:
    """The constants that explain the times of whole networks, near a prior: too few networks are published to tell
    apart what they have in common.

    Least squares of relative errors of the networks and of the factors by which constants differ from the prior. A
    factor applies to both constants of a kind.
    """
    kinds = [kind for kind in prior if any(operation.kind == kind for ops in networks for operation in ops)]
    # [networks, kinds]: the fraction of a network's time by the prior.
    design = np.array([[sum(prior[kind].time_us(op) for op in ops if op.kind == kind) for kind in kinds]
                       for ops in networks]) / np.asarray(times_us)[:, None]
    weight = PRIOR_WEIGHT ** 0.5
    rows = np.concatenate([design, weight * np.eye(len(kinds))])
    factors = lsq_linear(rows, np.append(np.ones(len(networks)), np.full(len(kinds), weight)), (LEAST, MOST)).x
    scale = dict(zip(kinds, factors))
    return {kind: Constants(*(float(f"{value * scale.get(kind, 1.0):.3g}") for value in constants))
            for kind, constants in prior.items()}


def leave_one_out(networks: Sequence[Sequence[Operation]], times_us: Sequence[float], prior: Mapping[str, Constants]
                  ) -> list[float]:
    """The time of each network by the constants of all others."""
    found = []
    for i, operations in enumerate(networks):
        others = [j for j in range(len(networks)) if j != i]
        constants = of_networks([networks[j] for j in others], [times_us[j] for j in others], prior)
        found.append(predicted_us(operations, constants))
    return found


def predicted_us(operations: Sequence[Operation], constants: Mapping[str, Constants]) -> float:
    """The time of a network by constants; operations of other kinds take none."""
    return sum(constants[op.kind].time_us(op) for op in operations if op.kind in constants)
