"""The README.md of an exported model: figures, proof, use, labels, files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

from bars_tf.cli.workdir import CONFIG, program_of
from bars_tf.config import SearchConfig
from bars_tf.export.proof import Agreement
from bars_tf.export.tflite_file import Contents
from bars_tf.export.zoo_module import Facts, memory
from bars_tf.files import sha256
from bars_tf.space.genotype import Genotype


class Deployment(NamedTuple):
    """What was found out about NAME.tflite; `problems` were allowed by --allow_float_fallback."""

    contents: Contents
    agreement: Agreement  # with the model
    rounded: Agreement  # with the model as the engine rounds it
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {**self.contents.to_dict(), "agreement": self.agreement._asdict(),
                "agreement_rounded_as_engine": self.rounded._asdict(), "problems": list(self.problems)}


TEXT = '''\
# $name

A binary neural network for $dataset: images of $shape pixels, $classes classes. Found, trained and exported by bars_tf.

| test accuracy | parameters | memory | BOPs | FLOPs | OPs |
|---|---|---|---|---|---|
| $accuracy | $params | $memory | $bops | $flops | $ops |

A multiply-accumulate is one operation, OPs = FLOPs + BOPs / 64; memory is one bit a binary weight and four bytes any
other.

## Use

```python
from $name import $name, preprocess_input

model = $name()
logits = model(preprocess_input(images))  # images of $shape numbers, 0 to 255
body = $name(include_top=False)           # to fine-tune on other classes
```
$resized
It needs tensorflow, larq and larq-zoo, and with TensorFlow 2.16 or newer tf-keras. Import it before TensorFlow, or set
TF_USE_LEGACY_KERAS=1: Larq is written for Keras 2.

$deployment
## Network

```
$genotype
```

## Labels

$labels

## Commands

```sh
$commands
```

## Files

| file | bytes | SHA-256 |
|---|---|---|
$files
'''

RESIZED = """
Images vary in size: for the test accuracy they were scaled until they covered {}x{} pixels, sides in proportion and
with antialiasing (`tf.image.resize`), cropped to the middle, and rounded; the middle of that was cut out.
"""

DEPLOYED = '''\
## Deployment file

`$name.tflite` is for the [Larq Compute Engine](https://docs.larq.dev/compute-engine/). It has $size bytes:
$constants of constants, $structure of structure. Against `$name.h5`: $agreement.
Against the same network in Keras, its batch norm rounded as the engine does: $rounded.

| operation | number |
|---|---|
$kinds

Binary convolutions: $binary. Float convolutions: $floats ($float_names). Not fused: $unfused.
$problems'''


def write(directory: Path, config: SearchConfig, genotype: Genotype, facts: Facts,
          deployment: Deployment | None) -> None:
    """Writes `README.md` for the files in `directory`."""
    cost, files = facts.cost, sorted(directory.iterdir())
    values = {
        "name": config.name, "dataset": escape(facts.dataset), "shape": "x".join(map(str, facts.input_shape)),
        "classes": str(len(facts.class_names)), "accuracy": f"{facts.accuracy:.2%} of {facts.images:,} images",
        "params": f"{cost.params:,}", "memory": memory(cost), "bops": f"{cost.bops:,}", "flops": f"{cost.flops:,}",
        "ops": f"{cost.ops:,.0f}", "genotype": "\n".join(genotype.describe()),
        "labels": "\n".join(f"{i}. {escape(label)}" for i, label in enumerate(facts.class_names)),
        "resized": RESIZED.format(*facts.resized) if facts.resized else "",
        "deployment": _deployment(config.name, deployment) if deployment else "",
        "commands": "\n".join((
            f"bin/{program_of(Path(config.workdir))} {shlex.quote(f'--flagfile={Path(config.workdir, CONFIG)}')}",
            shlex.join(["bin/export", f"--workdir={config.workdir}", f"--name={config.name}",
                        f"--output={config.output}"]))),
        "files": "\n".join(f"| `{path.name}` | {path.stat().st_size:,} | `{sha256(path)}` |" for path in files),
    }
    (directory / "README.md").write_text(fill(TEXT, values), encoding="utf-8")


def _deployment(name: str, deployment: Deployment) -> str:
    contents = deployment.contents
    floats = [op.name for op in contents.convolutions if not op.is_binary]
    return fill(DEPLOYED, {
        "name": name, "size": f"{contents.size_bytes:,}", "constants": f"{contents.constant_bytes:,}",
        "structure": f"{contents.structure_bytes:,}", "agreement": str(deployment.agreement),
        "rounded": str(deployment.rounded),
        "kinds": "\n".join(f"| {kind} | {count} |" for kind, count in contents.kinds.items()),
        "binary": str(len(contents.convolutions) - len(floats)), "floats": str(len(floats)),
        "float_names": ", ".join(map(escape, floats)),
        "unfused": ", ".join(f"{count} {kind}" for kind, count in contents.unfused.items()),
        "problems": "".join(f"\n**Not proven:** {escape(problem)}\n" for problem in deployment.problems)})


def fill(template: str, values: dict[str, str]) -> str:
    """Replaces each $key in one pass: what is filled in is not looked through again."""
    return re.sub(r"\$(" + "|".join(sorted(values, key=len, reverse=True)) + r")\b", lambda m: values[m[1]], template)


def escape(text: str) -> str:
    """A text of others as plain words of a Markdown line: neither markup nor HTML, no line break."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
