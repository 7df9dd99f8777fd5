"""`bin/device`: files to be timed on a device, their profiles read back to a device file, and the shipped devices."""

import json
from collections import Counter
from pathlib import Path

from bars_tf.cli.settings import Settings
from bars_tf.cost import device_fit, profiles
from bars_tf.cost.device import Device
from bars_tf.errors import Failure, InputError, blame
from bars_tf.report.text_table import print_table


def main(settings: Settings) -> None:
    values = settings.values
    output = values["output"]
    if sum(map(bool, (values["layers"], values["read"], values["fit"]))) != 1:
        raise InputError("--layers, --read, --fit: exactly one of them is needed, as in `bin/device --layers "
                         "--output=DIR --flagfile=quickstart.flags`")
    if values["layers"]:
        _write_layers(settings)
        return
    if not output.endswith(".json"):
        raise InputError.of("output", output, "must be a file NAME.json; the device has its name")
    device = _read(values["read"], Path(output).stem) if values["read"] else _fit(values["fit"])
    with blame("output", output):
        device.save(output)
    print(f"{output}: --device={output} --budget_latency=... takes it")


def _write_layers(settings: Settings) -> None:
    from bars_tf.data.splits import load_splits  # late, as TensorFlow comes with these
    from bars_tf.export import conversion, device_files

    space, output = settings.search_space, Path(settings.values["output"])
    if not conversion.is_available():
        raise Failure(f"cannot write .tflite files: {conversion.MISSING}")
    if output.is_dir() and any(output.iterdir()) and not settings.values["overwrite"]:
        raise InputError.of("output", output, "is not empty; --overwrite writes into it")
    images = load_splits(settings.data)
    with blame("space", settings.values["space"]):
        space.check_image(images.image_shape)
    with blame("output", output):
        output.mkdir(parents=True, exist_ok=True)
        count = device_files.write(output, space, images.image_shape, images.num_classes, settings.run.seed)
    print(f"{output}/: {count} .tflite files, {profiles.MANIFEST}, run.sh, which times them on the device")


def _read(directory: str, name: str) -> Device:
    with blame("read", directory):
        found = profiles.read(Path(directory))
        if not found.times:
            raise ValueError("has no profile of a single operation; run.sh writes them on the device")
    constants = device_fit.of_operations(found.times)
    threads = found.about.get("threads", "1")
    device = Device(name, tuple(constants.items()), tuple((str(op), us) for op, us in found.times.items()),
                    description=found.about.get("system", ""), engine=found.about.get("engine", ""),
                    threads=int(threads) if threads.isdecimal() and int(threads) else 1,
                    date=found.about.get("date", ""), source="profiles of lce_benchmark_model, by bin/device --read")
    kinds = Counter(op.kind for op in found.times)
    rows = []
    for kind, fitted in constants.items():
        errors = [fitted.time_us(op) / us - 1 for op, us in found.times.items() if op.kind == kind and us]
        rows.append((kind, f"{kinds[kind]}", f"{fitted.call_us:.4g}", f"{fitted.unit_ns:.4g}",
                     f"{max(map(abs, errors), default=0):.1%}"))
    print_table([("operation", "measured", "µs a call", "ns a unit", "largest error of the constants"), *rows])
    if found.networks:
        print()
        totals = [(network, us / 1e3, sum(map(device.time_us, ops)) / 1e3)
                  for network, (ops, us) in found.networks.items()]
        print_table([("network", "measured ms", "estimated ms", "error"),
                     *((network, f"{ms:.3f}", f"{ours:.3f}", f"{ours / ms - 1:+.1%}") for network, ms, ours in totals)])
    if found.missing:
        print(f"\nwithout a profile: {', '.join(found.missing)}; the constants stand in for what they measure")
    return device


def _fit(name: str) -> Device:
    from bars_tf.export import published

    fit = published.fit(name, dict(published.zoo_operations()))
    print_table([("network", "measured ms", "fitted ms", "error", "left out ms", "error"),
                 *((network, f"{ms:.1f}", f"{ours:.1f}", f"{ours / ms - 1:+.0%}", f"{other:.1f}",
                    f"{other / ms - 1:+.0%}") for network, ms, ours, other in fit.networks)])
    print(json.dumps({kind: c._asdict() for kind, c in fit.device.constants}))
    return fit.device
