"""Profiles as `lce_benchmark_model` writes them, of a device whose times are known."""

import json

from bars_tf.cost.operation import Operation

HEADS = {  # by (CSV or text, whether there is a column of the start)
    (True, True): "node type, start, first, avg_ms, %, cdf%, mem KB, times called, name",
    (True, False): "node type, first, avg_ms, %, cdf%, mem KB, times called, name",
    (False, True): "\t             [node type]\t          [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]"
                   "\t[times called]\t[Name]",
    (False, False): "\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]"
                    "\t[Name]"}


def rows_of(operations, times_us, xnnpack):
    """(node type, microseconds) of a run; with XNNPACK float operations in a row are one."""
    rows = []
    for operation, us in zip(operations, times_us):
        if xnnpack and not operation.kind.startswith("Lce"):
            if rows and rows[-1][0] == "TfLiteXNNPackDelegate":
                us += rows.pop()[1]
            rows.append(("TfLiteXNNPackDelegate", us))
        else:
            rows.append((operation.kind, us))
    return rows


def profile(rows, csv=True, start=False):
    """The text of a profile."""
    def section(title, rows):
        lines = [f"============================== {title} ==============================", HEADS[csv, start]]
        for i, (kind, us) in enumerate(rows):
            numbers = [*([0.0] if start else []), us / 1e3 * 1.1, us / 1e3]
            name = f"[net/a, net/b;net/{i}]:{i}"
            if csv:
                lines.append(", ".join([kind, *(f"{n:g}" for n in numbers), "10%", "20%", "0", "1", name]))
            else:
                lines.append("\t" + "\t".join([f"{kind:>24}", *(f"{n:9.3f}" for n in numbers), " 10.000%",
                                               " 20.000%", "     0.000", "        1", name]))
        return "\n".join([*lines, ""])

    def report(rows):
        return "\n".join([section("Run Order", rows),
                          section("Top by Computation Time", sorted(rows, key=lambda row: -row[1])),
                          f"Number of nodes executed: {len(rows)}",
                          "============================== Summary by node type ==============================", ""])

    return "\n".join(["STARTING!", "Inference timings in us: Init: 1200, First inference: 99, Warmup (avg): 98, "
                      f"Inference (avg): {sum(us for _, us in rows):.6g}",
                      "Profiling Info for Benchmark Initialization:",
                      report([("ModifyGraphWithDelegate", 900.0), ("AllocateTensors", 100.0)]),
                      "Operator-wise Profiling Info for Regular Benchmark Runs:", report(rows)])


def write_profiles(directory, time_us, csv=True, start=False, xnnpack=False):
    """Writes the profile of every file that `layers.json` lists."""
    values = json.loads((directory / "layers.json").read_text())
    for name, listed in {**values["files"], **values["networks"]}.items():
        operations = [Operation(kind, *map(tuple, shapes), stride, dilation)
                      for kind, *shapes, stride, dilation in listed]
        text = profile(rows_of(operations, map(time_us, operations), xnnpack), csv, start)
        (directory / f"{name}.{'csv' if csv else 'txt'}").write_text(text)
    (directory / "about.txt").write_text("threads=2\ndate=2026-11-30\nsystem=board Linux aarch64\nengine=0.16 \n")
