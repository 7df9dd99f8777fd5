"""Device files: what a device says, and what a file may not say."""

import json

import pytest
from small_spaces import DEVICE, SMALL

from bars_tf.cost import device as devices
from bars_tf.cost.device import FORMAT, Device
from bars_tf.cost.operation import KINDS, Operation
from bars_tf.cost.tables import cost_tables
from bars_tf.errors import InputError


def test_a_file_holds_the_device(tmp_path):
    device = Device("a board", DEVICE.constants, (("ADD 1x1x1 1x1x1", 3.5),), "fast", "0.16", 4, "2026-11-30", "me")
    device.save(tmp_path / "board.json")
    assert devices.load(str(tmp_path / "board.json")) == device and "microseconds" in device.to_dict()["units"]


@pytest.mark.parametrize("name", devices.shipped())
def test_shipped_devices_know_all_kinds(name):
    device = devices.load(name)
    assert device.name == name and dict(device.constants).keys() >= set(KINDS) and device.source and device.date


def changed(**changes):
    return {**DEVICE.to_dict(), **changes}


def with_constant(**constants):
    return changed(constants={**DEVICE.to_dict()["constants"], "ADD": constants})


@pytest.mark.parametrize("values, message", [
    ([], "no device file of the format"),
    ({}, "no device file of the format"),
    (changed(format="bars_tf.device/2"), "format bars_tf.device/1 but of bars_tf.device/2"),
    ({key: value for key, value in DEVICE.to_dict().items() if key != "constants"}, "missing key 'constants'"),
    (changed(speed=1), "unknown key 'speed'"),
    (changed(name=""), "must not be empty"),
    (changed(name=7), "name=7: must be a text"),
    (changed(threads=0), "threads=0"),
    (changed(threads=True), "threads=True"),
    (changed(constants={}), "at least one kind"),
    (changed(constants=[1]), r"constants=\[1\]: must be an object"),
    (changed(constants={"FLY": {"call_us": 1, "unit_ns": 1}}), "constants='FLY': must be of LceBconv2d"),
    (with_constant(call_us=1), "constants of ADD=.*: must be an object with call_us and unit_ns"),
    (with_constant(call_us=-1, unit_ns=1), "call_us of ADD=-1: must be a number of at least 0"),
    (with_constant(call_us=1, unit_ns=float("nan")), "unit_ns of ADD=nan"),
    (with_constant(call_us=1, unit_ns=float("inf")), "unit_ns of ADD=inf"),
    (with_constant(call_us="1", unit_ns=1), "call_us of ADD='1'"),
    (with_constant(call_us=True, unit_ns=1), "call_us of ADD=True"),
    (changed(measured_us={"ADD 1x1x1 1x1x1": 0}), "measured_us of ADD 1x1x1 1x1x1=0: must be a number above 0"),
    (changed(measured_us={"ADD 1x1x1 1x1x1": "fast"}), "measured_us of ADD"),
    (changed(measured_us=3), "measured_us=3: must be an object")], ids=str)
def test_a_wrong_file_is_one_clear_line(values, message, tmp_path):
    path = tmp_path / "board.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=message) as error:
        devices.load(str(path))
    assert "\n" not in str(error.value)


def test_an_unknown_name_and_a_missing_kind_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must be one of pixel1, rpi4b, or a file"):
        devices.load("rpi5")
    without = Device("board", tuple(c for c in DEVICE.constants if c[0] != "LceBconv2d"))
    with pytest.raises(InputError, match="--device=board: has no constants of LceBconv2d, which networks"):
        cost_tables(SMALL, (16, 16, 3), 10, without)
    without.save(tmp_path / "mine.json")
    with pytest.raises(InputError, match="--device=.*mine.json: has no constants of LceBconv2d"):
        cost_tables(SMALL, (16, 16, 3), 10, devices.load(str(tmp_path / "mine.json")))


def test_times_are_multiples_of_an_eighth():
    assert FORMAT.endswith("/1")
    for kind, _ in DEVICE.constants:
        assert (8 * DEVICE.time_us(Operation(kind, (7, 5, 3), (7, 5, 9), (3, 3)))).is_integer()


def test_work_counts_whole_tiles():
    def work(inputs, outputs, size):
        return Operation("LceBconv2d", (*size, inputs), (*size, outputs), (3, 3)).work

    assert work(64, 64, (8, 8)) == 9 * 64 * 64 * 64
    assert work(33, 9, (3, 3)) == 9 * 64 * 16 * 12
    assert Operation("CONV_2D", (8, 8, 3), (4, 4, 5), (3, 3), 2).work == 9 * 3 * 5 * 16
    assert Operation("DEPTHWISE_CONV_2D", (8, 8, 5), (4, 4, 5), (3, 3), 2).work == 9 * 5 * 16
    assert Operation("MEAN", (8, 8, 5), (1, 1, 5), (8, 8)).work == 8 * 8 * 5
    assert Operation("STRIDED_SLICE", (8, 8, 5), (7, 7, 5)).work == 8 * 8 * 5
    assert Operation("PAD", (7, 7, 5), (8, 8, 5)).work == 8 * 8 * 5
