"""The README.md of an export."""

import re

from sample_networks import SMALL, facts_of

from bars_tf.export import model_card
from bars_tf.files import sha256
from bars_tf.space.encoding import random_genotype

HOSTILE = ("'\n\"\"\"\n# heading", "<script>alert(1)</script>", "back`tick|pipe", "\\", "{{ name }}", "\u202eabc",
           "[a](http://b)", "*bold*", "under_score")


def test_card_of_an_export(exported):
    output, _ = exported
    card = (output / "README.md").read_text()
    files = [path for path in output.iterdir() if path.name != "README.md"]
    assert len(files) == 6 and all(f"| `{path.name}` |" in card and sha256(path) in card for path in files)
    assert "12.50% of 2,000" in card and "fashion\\_mnist\\_small" in card and "9. Ankle boot" in card
    assert "Binary convolutions: 12. Float convolutions: 2 (stem\\_0, stem\\_1)." in card
    assert "bin/export --workdir=" in card and "{" not in card and "\n\n\n" not in card


def test_without_a_deployment_file(tmp_path, rng):
    genotype = random_genotype(SMALL, rng)
    facts = facts_of(genotype)._replace(resized=(36, 40))
    (tmp_path / "net.py").touch()
    model_card.write(tmp_path, "net", genotype, facts, None, ("bin/search",))
    card = (tmp_path / "README.md").read_text()
    assert "Deployment" not in card and "covered 36x40 pixels" in card and "\n\n\n" not in card


def test_strings_of_others_stay_text(tmp_path, rng):
    for label in HOSTILE:
        escaped = model_card.escaped(label)
        assert "\n" not in escaped and escaped.isprintable()
        assert not re.search(r"(?<!\\)(?:\\\\)*[<>`|\[\]*_]", escaped)
    genotype = random_genotype(SMALL, rng)
    model_card.write(tmp_path, "net", genotype, facts_of(genotype, HOSTILE), None, ())
    assert "0. \\' \\\"\\\"\\\" \\# heading\n1. \\<script" in (tmp_path / "README.md").read_text()
