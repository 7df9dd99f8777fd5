"""Published times of networks of the Larq Zoo, and the devices that are fitted to them.

`bin/device --fit=rpi4b` builds the networks without their weights, converts them, and fits the constants.
"""

from collections.abc import Iterator
from typing import NamedTuple

from bars_tf import console
from bars_tf.cost import device_fit
from bars_tf.cost.device import Constants, Device
from bars_tf.cost.operation import Operation
from bars_tf.errors import Failure
from bars_tf.export import conversion
from bars_tf.export.file_operations import file_operations
from bars_tf.legacy_keras import tf

SOURCE = ("docs/plots/zoo_hero.vg.json of larq/docs (October 2020, one thread), to whose networks the constants are "
          "fitted, near those of single operations in pull request 551 of larq/compute-engine (Raspberry Pi 4B, "
          "November 2020); by bin/device --fit={}")


class Published(NamedTuple):
    """Milliseconds of one image; `room` is the module of larq_zoo."""

    room: str
    pixel1: float
    rpi4b: float


PUBLISHED = {
    "QuickNetLarge": Published("sota", 45.48, 84.35),
    "QuickNet": Published("sota", 27.40, 51.73),
    "QuickNetSmall": Published("sota", 17.45, 31.63),
    "XNORNet": Published("literature", 29.25, 54.74),
    "BiRealNet": Published("literature", 41.75, 85.44),
    "BinaryDenseNet28": Published("literature", 84.91, 180.98),
    "BinaryDenseNet45": Published("literature", 129.34, 268.85),
    "MeliusNet22": Published("literature", 110.71, 252.09),
    "BinaryAlexNet": Published("literature", 44.40, 109.49),
}
# Shown, but not fitted to: its published time is that of other operations, it seems, as two thirds of it remain
# unexplained whatever the constants are (its dense layers have 58 M weights).
OUTLIERS = ("BinaryAlexNet",)
# What single operations take on a Raspberry Pi 4B: binary convolutions, ADD and LceQuantize as published; float
# convolutions as these networks have been explained by hand; all others, and what a call takes, are guesses near these.
PRIOR = {
    "LceBconv2d": (5, 0.015), "LceQuantize": (5, 1.8), "LceBMaxPool2d": (5, 0.3), "ADD": (5, 3.0), "MUL": (5, 3.0),
    "RELU": (5, 2.0), "CONCATENATION": (5, 3.0), "STRIDED_SLICE": (5, 2.0), "PAD": (5, 2.0), "CONV_2D": (10, 0.3),
    "DEPTHWISE_CONV_2D": (10, 0.7), "FULLY_CONNECTED": (5, 0.5), "MAX_POOL_2D": (5, 1.2), "AVERAGE_POOL_2D": (5, 1.2),
    "MEAN": (5, 1.2)}
# By name: description, and how much of a Raspberry Pi's time an operation takes.
DEVICES = {"rpi4b": ("Raspberry Pi 4B (Cortex-A72, 1.5 GHz)", 1.0), "pixel1": ("Google Pixel 1 (Snapdragon 821)", 0.5)}


class Fit(NamedTuple):
    """A fitted device, and milliseconds of each network: measured, by the fit, by a fit to all others."""

    device: Device
    networks: list[tuple[str, float, float, float]]


def zoo_operations() -> Iterator[tuple[str, list[Operation]]]:
    """The operations of each published network, by its name. Raises: Failure without the Larq Compute Engine."""
    if not conversion.is_available():
        raise Failure(f"cannot convert the networks: {conversion.MISSING}")
    import larq_zoo  # late: it takes the Keras that `legacy_keras` has chosen

    for number, (name, published) in enumerate(PUBLISHED.items(), start=1):
        console.rewrite(f"device  converting {name}, {number} of {len(PUBLISHED)}")
        model = getattr(getattr(larq_zoo, published.room), name)(weights=None)
        yield name, file_operations(conversion.convert(model))
        tf.keras.backend.clear_session()
    console.close()


def fit(name: str, operations: dict[str, list[Operation]]) -> Fit:
    """Fits the device of a name to the published times of networks, given their operations."""
    description, factor = DEVICES[name]
    prior = {kind: Constants(*(factor * value for value in values)) for kind, values in PRIOR.items()}
    measured = {network: 1e3 * getattr(PUBLISHED[network], name) for network in operations}
    fitted = [network for network in operations if network not in OUTLIERS]
    given = [operations[network] for network in fitted], [measured[network] for network in fitted], prior
    constants = device_fit.of_networks(*given)
    others = dict(zip(fitted, device_fit.leave_one_out(*given)))
    device = Device(name, tuple(constants.items()), description=description, engine="Larq Compute Engine 0.4 to 0.5",
                    date="2020-11", source=SOURCE.format(name))
    rows = []
    for network, us in measured.items():
        ours = device_fit.predicted_us(operations[network], constants)
        rows.append((network, us / 1e3, ours / 1e3, others.get(network, ours) / 1e3))
    return Fit(device, rows)
