"""The README.md of an exported model: figures, proof, use, labels, files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import jinja2

from bars_tf.export.proof import Proof
from bars_tf.export.zoo_module import Facts, memory
from bars_tf.files import sha256
from bars_tf.space.genotype import Genotype


def write(directory: Path, name: str, genotype: Genotype, facts: Facts, proof: Proof | None,
          commands: Sequence[str]) -> None:
    """Writes `README.md` for the files in `directory`.

    Args:
        directory: has all other files of the export.
        proof: of the deployment file; None without one.
        commands: that repeat the run and the export.
    """
    floats = [op.name for op in proof.contents.convolutions if not op.is_binary] if proof else []
    text = _environment().get_template("model_card.md").render(
        name=name, genotype=genotype, facts=facts, proof=proof, floats=floats, memory=memory(facts.cost),
        shape="x".join(map(str, facts.input_shape)), commands=commands, files=sorted(directory.iterdir()),
        sha256=sha256)
    (directory / "README.md").write_text(text, encoding="utf-8")


def escaped(text: str) -> str:
    """A text of others as plain words of a Markdown line: neither markup nor HTML, no line break."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(loader=jinja2.PackageLoader("bars_tf.export"), trim_blocks=True,
                                     keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    environment.filters["escaped"] = escaped
    return environment
