"""Writes constraints/: the versions of which bin/ makes an environment, for each Python of setup.cfg.

    python3 bin/_constraints.py

needs `uv` on the PATH, which finds the newest versions within the bounds of setup.cfg without installing anything;
where the Larq Compute Engine is installed too, those that it was tested beside. Test what this wrote by
`rm -r .venv; bin/test` with each Python.
"""

import re
import subprocess

from _venv import ENGINE, SETUP, WHEELS, constraints, requirements, within

# The metadata from 1.18 on are made for protobuf 6, which this TensorFlow does not take, and do not say so.
WITH_ENGINE = ["tensorflow<2.20", "tensorflow-metadata<1.18"]


def main() -> None:
    bounds, extras = SETUP["options"]["python_requires"], SETUP["options.extras_require"]
    for minor in range(*map(int, re.findall(r"3\.(\d+)", bounds))):
        version = (3, minor)
        _, own, alone = requirements([extra for extra in extras if extra not in ("gpu", "mlflow")], version)
        more = WITH_ENGINE if within(version, extras[ENGINE]) else []
        pins = resolved([line for line in own if line not in alone] + more, version) + resolved(
            alone, version, "--no-deps")
        constraints(version).write_text("\n".join(["# Made by bin/_constraints.py.", *sorted(pins)]) + "\n")


def resolved(lines: list[str], version: tuple[int, int], *options: str) -> list[str]:
    command = ["uv", "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", *WHEELS, *options,
               "--python-version", "{}.{}".format(*version)]
    return subprocess.run(command, input="\n".join(lines), stdout=subprocess.PIPE, text=True, check=True
                          ).stdout.splitlines()


if __name__ == "__main__":
    main()
