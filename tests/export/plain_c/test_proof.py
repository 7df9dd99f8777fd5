"""The proof of a network in C: what is refused, and what is left unproven."""

import re

import numpy as np
import pytest
from c_networks import needs_compiler, written
from sample_networks import WIDE, random_model

from bars_tf.errors import Failure
from bars_tf.export.agreement import predict
from bars_tf.export.plain_c import proof
from bars_tf.space.encoding import random_genotype

SHAPE = (12, 10, 1)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A directory with net.c, images, and the logits of Keras, as it is and with sums in the same order."""
    rng = np.random.default_rng(0)
    genotype = random_genotype(WIDE, rng)
    model, directory = random_model(genotype, rng, SHAPE, 6), tmp_path_factory.mktemp("net")
    _, ordered = written(directory, model, genotype)
    images = rng.normal(size=(20, *SHAPE)).astype(np.float32)
    logits = predict(model, images)
    return directory, images, logits.argmax(axis=1), logits, predict(ordered, images), "float32"


@needs_compiler
def test_a_proven_network(network):
    found = proof.prove(network[0], "net", *network[1:])
    assert (found.equal, found.agreement.same_class, found.correct, found.correct_in_keras) == (20,) * 4
    assert found.median < 1e-6
    assert str(found).startswith("20 of 20 test images have to the last bit the logits of Keras")


@needs_compiler
@pytest.mark.parametrize("pattern, change", [
    (r"(_kernels\[\] = \{\s+)0x(\w{8})", lambda m: f"{m[1]}0x{int(m[2], 16) ^ 0xffff:08x}"),
    (r"(_scale\[\] = \{\s+-?)(\d)", lambda m: m[1] + str((int(m[2]) + 1) % 10)),
    (r"(head_bias\[\] = \{\s+)", lambda m: m[1] + "1 + "),
    (r"(head_bias\[\] = \{\s+)[^,]*", lambda m: m[1] + "0.0f / 0.0f"),
    (r"\n    add\([^;]*;", lambda m: ""),
    (r"return largest", lambda m: "returns largest"),
], ids=["signs", "scale", "bias", "nan", "add", "syntax"])
def test_other_networks_are_refused(network, tmp_path, pattern, change):
    directory, *arguments = network
    for path in directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (directory / "net.c").read_text()
    changed = re.sub(pattern, change, text)
    assert changed != text
    (tmp_path / "net.c").write_text(changed)
    with pytest.raises(Failure, match="^refused: net.c does not") as error:
        proof.prove(tmp_path, "net", *arguments)
    assert "\n" not in str(error.value)


@needs_compiler
def test_logits_of_another_model_are_refused(network):
    directory, images, labels, logits, ordered, _ = network
    for activations, end in (("float32", "in Keras$"), ("float16", "without --c_activations it may$")):
        with pytest.raises(Failure, match=f"does not compute .*: 20 of 20 .* 0 have the same class.*{end}"):
            proof.prove(directory, "net", images, labels, -logits, ordered, activations)
    with pytest.raises(Failure, match="does not compute what was trained: 0 of 20"):
        proof.prove(directory, "net", images, labels, logits, ordered + 0.01 * np.ptp(logits), "float32")


def test_without_a_compiler(network, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert proof.prove(network[0], "net", *network[1:]) is None
