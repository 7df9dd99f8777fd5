"""The measures of a network's cost. A multiply-accumulate is one operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

OPS_PER_BOP = 1 / 64  # a machine word holds 64 binary weights


class Cost(NamedTuple):
    """The cost of one network for one image, or arrays of costs by axis.

    Attributes:
        bops: binary multiply-accumulates.
        flops: float multiply-accumulates.
        binary_params: number of binary parameters.
        float_params: number of float parameters.
        elementwise_ops: element-wise operations, see `deployment`; of a genotype those that `tables` counts.
        latency_us: estimated microseconds on a device, see `device`; 0 without a device.
        peak_bytes: the most bytes of float activations at one time; of a genotype the bound that `tables` counts.
    """

    bops: float
    flops: float
    binary_params: float
    float_params: float
    elementwise_ops: float
    latency_us: float
    peak_bytes: float

    @property
    def ops(self) -> float:
        """OPs = FLOPs + BOPs / 64, as Bi-Real Net (arXiv 1808.00278) and its successors count."""
        return self.flops + self.bops * OPS_PER_BOP

    @property
    def params(self) -> float:
        """Number of parameters."""
        return self.binary_params + self.float_params

    @property
    def size_bytes(self) -> float:
        """Bytes of the parameters: one bit a binary one, 32 bits any other."""
        return self.binary_params / 8 + 4 * self.float_params

    def as_float(self) -> Cost:
        """The cost of the same network with float convolutions alone; no device says how long they take."""
        return Cost(0, self.bops + self.flops, 0, self.params, self.elementwise_ops, 0, self.peak_bytes)

    def to_dict(self) -> dict[str, float]:
        """All measures by name; latency only on a device."""
        return {name: getattr(self, name) for name in LIMITED if name != LATENCY or self.latency_us}


def _weights(**fields: float) -> tuple[float, ...]:
    return tuple(fields.get(name, 0) for name in Cost._fields)


# For each measure that is a sum over the layers of a network its weights of the fields of `Cost`.
MEASURES = {
    "bops": _weights(bops=1),
    "flops": _weights(flops=1),
    "ops": _weights(bops=OPS_PER_BOP, flops=1),
    "params": _weights(binary_params=1, float_params=1),
    "size_bytes": _weights(binary_params=1 / 8, float_params=4),
    "elementwise_ops": _weights(elementwise_ops=1),
    "latency_us": _weights(latency_us=1),
}
# The measure that needs a device.
LATENCY = "latency_us"
# The measure that is a maximum instead.
PEAK = "peak_bytes"
# The measures that a budget can limit.
LIMITED = (*MEASURES, PEAK)
# How people read them.
UNITS: Mapping[str, str] = {"bops": "BOPs", "flops": "FLOPs", "ops": "OPs", "params": "parameters",
                            "size_bytes": "bytes", "elementwise_ops": "element-wise operations",
                            LATENCY: "µs, estimated", PEAK: "peak bytes"}
