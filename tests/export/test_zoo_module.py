"""The text of NAME.py: names that are refused, and strings of others."""

import ast

import pytest
from sample_networks import SMALL, facts_of, ruff

from bars_tf.export import zoo_module
from bars_tf.space.encoding import random_genotype

LONG_NAME = "a" * 64
HOSTILE = ("long " * 60, '"""', "'\n\"\"\"\nimport os  # ", "<script>alert(1)</script>", "back`tick|pipe", "\\",
           "{x}%s$name", "{{ dataset }}", "  ", "\u202eabc", "\ud800", "[a](http://b)")


def test_hostile_strings_stay_strings(tmp_path, rng):
    genotype = random_genotype(SMALL, rng)
    facts = facts_of(genotype, HOSTILE, '"""\nimport os\n\\' * 20)
    text = zoo_module.module_text(LONG_NAME, genotype, facts, ("a", "b"))
    tree = ast.parse(text)
    values = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    assert ast.literal_eval(values["CLASS_NAMES"]) == HOSTILE
    plain = ast.parse(zoo_module.module_text(LONG_NAME, genotype, facts_of(genotype), ("a", "b")))
    kinds = [[type(node) for node in ast.walk(t) if isinstance(node, (ast.stmt, ast.Call))] for t in (tree, plain)]
    assert kinds[0] == kinds[1]
    (tmp_path / "some_net.py").write_text(text, encoding="utf-8")
    assert ruff(tmp_path) == ""


def test_constants_are_filled_in(rng):
    genotype = random_genotype(SMALL, rng)
    text = zoo_module.module_text("my_net", genotype, facts_of(genotype))
    assert "zoo_template" not in text and "{{" not in text
    assert text.startswith('"""A binary neural network for some_set, found by bars_tf.')
    assert "| 50.00% of 100 test images |" in text
    values = {node.targets[0].id: node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)}
    for name, value in zoo_module.network_constants(genotype).items():
        assert ast.literal_eval(values[name]) == value, name


def test_a_constant_that_the_template_lacks_is_an_error(rng, monkeypatch):
    genotype = random_genotype(SMALL, rng)
    monkeypatch.setattr(zoo_module, "network_constants", lambda genotype: {"COLOUR": 1})
    with pytest.raises(KeyError, match="COLOUR"):
        zoo_module.module_text("my_net", genotype, facts_of(genotype))
