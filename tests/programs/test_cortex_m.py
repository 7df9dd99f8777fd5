"""Networks in C on microcontrollers that qemu emulates: the logits of this machine, to the last bit."""

import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from c_networks import written
from helpers import ROOT
from sample_networks import random_model

from bars_tf.export.plain_c.proof import run
from bars_tf.export.settings import ACTIVATIONS
from bars_tf.space.genotype import Genotype

pytestmark = pytest.mark.long
PACKAGES = {"arm-none-eabi-gcc": "gcc-arm-none-eabi", "qemu-system-arm": "qemu-system-arm", "gcc": "gcc"}
SUPPORT = ROOT / "tests" / "cortex_m"
COMPILER = ("arm-none-eabi-gcc", "-mthumb", "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror")
# Machine of the emulator, and options of the compiler: a Cortex-M4 with floating point, and a Cortex-M3 without.
M4 = ("mps2-an386", "-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
M3 = ("mps2-an385", "-mcpu=cortex-m3")
# Genotype, images, classes. What a prediction takes hardly depends on the weights.
NETWORKS = {"quickstart_seed0": ((28, 28, 1), 10), "cifar_compare_seed0": ((32, 32, 3), 10),
            "nasb_quickstart_seed0": ((28, 28, 1), 10)}


@pytest.fixture(scope="module", autouse=True)
def packages():
    if missing := [package for program, package in PACKAGES.items() if not shutil.which(program)]:
        if os.geteuid() == 0 and shutil.which("apt-get"):
            subprocess.run(["apt-get", "install", "-y", "libnewlib-arm-none-eabi", *missing], capture_output=True)
        if not all(map(shutil.which, PACKAGES)):
            pytest.skip(f"needs {', '.join(missing)}, libnewlib-arm-none-eabi")


def emulate(directory, sources, arguments=(), options=(), emulator=(), board=M4):
    """Compiles sources for the board and runs them there; returns what they print."""
    program = directory / "program.elf"
    machine, *processor = board
    subprocess.run([*COMPILER, *processor, *options, "--specs=rdimon.specs", "-T", SUPPORT / "mps2.ld", "-o", program,
                    *sources, SUPPORT / "startup.c"], check=True)
    given = ",".join(f"arg={argument}" for argument in (program.name, *arguments))
    done = subprocess.run(["qemu-system-arm", "-machine", machine, "-nographic", "-monitor", "none", "-serial", "none",
                           *emulator, "-semihosting-config", f"enable=on,target=native,{given}", "-kernel", program],
                          cwd=directory, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("activations", ACTIVATIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_microcontroller_computes_the_network(name, activations, tmp_path, rng, capsys):
    """And what it needs: flash, RAM, and instructions an image, in the table of docs/guide/export.md."""
    shape, classes = NETWORKS[name]
    genotype = Genotype.load(ROOT / "configs" / "genotypes" / f"{name}.json")
    network, _ = written(tmp_path, random_model(genotype, rng, shape, classes), genotype, activations=activations)
    images = rng.normal(size=(4, *shape)).astype(np.float32)
    images.tofile(tmp_path / "images")
    sources = (tmp_path / "net.c", tmp_path / "net_test.c")
    for board in (M3, M4):
        assert "4 of 4 images have the logits of Keras, 4 to the last bit" in emulate(tmp_path, sources, board=board)
    emulate(tmp_path, sources, ("images", "logits"))
    np.testing.assert_array_equal(np.fromfile(tmp_path / "logits", np.float32).reshape(4, classes),
                                  run(tmp_path, "net", images, ("gcc", "-std=c99", "-O2")))

    macros = {"HEADER": '"net.h"', "PREDICT": "net_predict", "PIXELS": images[0].size, "CLASSES": classes}
    printed = emulate(tmp_path, (tmp_path / "net.c", SUPPORT / "instructions.c"),
                      options=[f"-I{tmp_path}", *(f"-D{macro}={value}" for macro, value in macros.items())],
                      emulator=("-icount", "shift=0"))
    instructions, stack = map(int, re.findall(r"(\d+) instructions, (\d+) bytes of stack", printed)[0])
    subprocess.run([*COMPILER, *M4[1:], "-c", "-o", tmp_path / "net.o", tmp_path / "net.c"], check=True)
    size = subprocess.run(["arm-none-eabi-size", tmp_path / "net.o"], capture_output=True, text=True).stdout
    flash, data, ram = map(int, size.splitlines()[1].split()[:3])
    assert data == 0 and ram == network.ram_bytes and 0 < flash - network.flash_bytes < 10000 and stack < 1000
    with capsys.disabled():
        print(f"\n{name}, {activations}: " + json.dumps({
            "flash": flash, "constants": network.flash_bytes, "ram": ram, "stack": stack,
            "instructions": instructions}))
