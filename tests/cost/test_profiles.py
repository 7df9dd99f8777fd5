"""Profiles of a device that is known, read back; and files that are no such profiles."""

import json

import numpy as np
import pytest
from small_spaces import DEVICE, NASB, SMALL
from synthetic_profiles import profile, rows_of, write_profiles

from bars_tf.cost import profiles
from bars_tf.cost.device import Device
from bars_tf.cost.device_fit import of_operations
from bars_tf.cost.operation import Operation
from bars_tf.cost.operations import operations
from bars_tf.cost.tables import operations_of_space
from bars_tf.network.layer_list import layers_of
from bars_tf.space.encoding import random_genotype

SHAPE = (16, 12, 3)


def exact_us(operation):
    constants = dict(DEVICE.constants)[operation.kind]
    return constants.call_us + 1e-3 * constants.unit_ns * operation.work


@pytest.fixture(params=[SMALL, NASB], ids=["bars", "nasb"])
def layers(request, tmp_path, rng):
    """A directory as `bin/device --layers` makes it, without the files that are timed: each binary operation behind
    what packs its signs."""
    files = {}
    for operation in operations_of_space(request.param, SHAPE, 10):
        sign = Operation("LceQuantize", operation.source, operation.source)
        binary = operation.kind in ("LceBconv2d", "LceBMaxPool2d")
        files[f"layer_{len(files)}"] = [sign, operation] if binary else [operation]
    networks = {f"network_{i}": operations(layers_of(random_genotype(request.param, rng), SHAPE, 10)) for i in range(3)}
    (tmp_path / "layers.json").write_text(json.dumps(profiles.manifest(files, networks)))
    return tmp_path


@pytest.mark.parametrize("csv, start, xnnpack", [(True, False, False), (True, True, True), (True, False, True)])
def test_constants_and_networks_are_recovered(layers, csv, start, xnnpack):
    write_profiles(layers, exact_us, csv, start, xnnpack)
    found = profiles.read(layers)
    constants = of_operations(found.times)
    assert not found.missing and found.about["threads"] == "2"
    for kind, (call_us, unit_ns) in constants.items():
        sizes = {operation.work for operation in found.times if operation.kind == kind}
        if len(sizes) > 1:
            np.testing.assert_allclose((call_us, unit_ns), dict(DEVICE.constants)[kind], rtol=0.01, err_msg=kind)
    for measured in ((), tuple((str(op), us) for op, us in found.times.items())):
        device = Device("read", tuple(constants.items()), measured)
        for ops, us in found.networks.values():
            assert sum(map(device.time_us, ops)) == pytest.approx(us, rel=0.02)


def test_text_profiles_too(layers):
    """Which are rounded to microseconds."""
    write_profiles(layers, lambda operation: round(100 * exact_us(operation)), csv=False, start=True)
    found = profiles.read(layers)
    np.testing.assert_allclose(list(found.times.values()), [round(100 * exact_us(op)) for op in found.times])
    for csv_too, start in ((False, False), (True, True)):
        path = layers / "other.txt"
        path.write_text(profile([("ADD", 3000.0), ("LceQuantize", 12.0)], csv_too, start))
        assert [(kind, round(us, 6)) for kind, us in profiles.read_profile(path)] == [
            ("ADD", 3000), ("LceQuantize", 12)]


def test_measured_times_go_before_the_constants():
    operation = Operation("ADD", (8, 8, 4), (8, 8, 4))
    device = Device("board", DEVICE.constants, ((str(operation), 321.0),))
    assert device.time_us(operation) == 321.0
    assert device.time_us(operation._replace(shape=(8, 8, 5))) == DEVICE.time_us(operation._replace(shape=(8, 8, 5)))


ADD, SIGN = Operation("ADD", (8, 8, 4), (8, 8, 4)), Operation("LceQuantize", (8, 8, 32), (8, 8, 32))
CONV = Operation("LceBconv2d", (8, 8, 32), (8, 8, 32), (3, 3))
GOOD = profile(rows_of([SIGN, CONV], [10.0, 90.0], False))
END = GOOD.index("Top by", GOOD.index("Regular"))


@pytest.mark.parametrize("text, message", [
    ("", "no profile of lce_benchmark_model"),
    ("hello\n", "no profile of lce_benchmark_model"),
    (GOOD[:END - 60], "cut off"),
    (GOOD[:GOOD.index("LceBconv2d") + 14], "cut off"),
    (GOOD.replace("0.09, 10%", "x, 10%"), "damaged or cut off at"),
    (GOOD.replace(", avg_ms", ""), "its columns are"),
    (GOOD.replace("0.09, 10%", "nan, 10%"), "damaged or cut off"),
    (GOOD.replace("0.09, 10%", "-1, 10%"), "damaged or cut off"),
    (profile([("CONV_2D", 1.0)]), "profile of another model than op.tflite: CONV_2D stands where LceQuantize"),
    (profile([("LceQuantize", 1.0)]), "profile of another model than op.tflite: LceBconv2d is missing"),
    (profile(rows_of([SIGN, CONV, ADD], [1.0, 2.0, 3.0], False)), "ADD stands where no further operation"),
    (profile(rows_of([SIGN, CONV, ADD], [1.0, 2.0, 3.0], True)), "TfLiteXNNPackDelegate stands where no further"),
    (profile([("LceBconv2d", 1.0), ("LceQuantize", 1.0)]), "LceBconv2d stands where LceQuantize"),
    ("\0\1\2" * 500, "no profile of lce_benchmark_model")])
def test_a_wrong_profile_is_one_clear_line(text, message, tmp_path):
    (tmp_path / "layers.json").write_text(json.dumps(profiles.manifest({"op": [SIGN, CONV]}, {})))
    (tmp_path / "op.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        profiles.read(tmp_path)
    assert "\n" not in str(error.value) and "op.csv" in str(error.value)


@pytest.mark.parametrize("values", [
    [], {}, {"format": "bars_tf.layers/0", "files": {}, "networks": {}}, {"format": profiles.FORMAT, "files": {}},
    {"format": profiles.FORMAT, "files": {"a": [["ADD", [1, 1], [1, 1, 1], [1, 1], 1, 1]]}, "networks": {}},
    {"format": profiles.FORMAT, "files": {"a": [["ADD", [1, 1, 1], [1, 1, "x"], [1, 1], 1, 1]]}, "networks": {}},
    {"format": profiles.FORMAT, "files": {"../a": []}, "networks": {}}], ids=str)
def test_a_wrong_list_of_layers_is_one_clear_line(values, tmp_path):
    (tmp_path / "layers.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"layers\.json"):
        profiles.read(tmp_path)


def test_files_without_a_profile_are_missing(layers):
    write_profiles(layers, exact_us)
    (layers / "layer_0.csv").unlink()
    (layers / "network_1.csv").unlink()
    found = profiles.read(layers)
    assert found.missing == ["layer_0", "network_1"] and set(found.networks) == {"network_0", "network_2"}
