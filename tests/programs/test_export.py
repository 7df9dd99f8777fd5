"""`bin/export`, and the programs that read its files."""

import json
import re

import pytest
from helpers import needs_engine

from bars_tf.cli import evaluate, export, summary
from bars_tf.cli.command_line import parse
from bars_tf.data import pipeline
from bars_tf.errors import InputError
from bars_tf.export import package
from bars_tf.export.plain_c.proof import compiler
from bars_tf.network.model_files import load_model
from bars_tf.training.evaluation import accuracy, as_classifier


@needs_engine
def test_export_writes_all_files(exported):
    output, done = exported
    assert done.returncode == 0, done.stderr
    for word in ("WARNING", "Traceback", "tensorflow/"):
        assert word not in done.stdout + done.stderr
    assert re.search(r"tiny_net.tflite: 12 binary convolutions, 2 float ones; left unfused: 0 batch norm, 0 ReLU",
                     done.stderr)
    assert "equal to the last bit on 512 test images" in done.stderr
    assert [path.name for path in output.parent.iterdir()] == ["tiny"]
    names = {f"tiny_net{end}" for end in (".py", ".h5", "_weights.h5", "_weights_notop.h5", ".json", ".tflite",
                                          ".c", ".h", "_test.c")}
    assert {path.name for path in output.iterdir()} == {*names, "Makefile", "README.md"}


@pytest.mark.skipif(not compiler(), reason="needs a C compiler")
def test_activations_of_16_bits(untrained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(package, "PROOF_IMAGES", 64)
    done = []
    for flags in ([], ["--c_activations=float16"]):
        output = tmp_path / f"out{len(done)}"
        export.main(parse("export", [f"--workdir={untrained}", "--name=tiny_net", f"--output={output}", "--format=c",
                                     *flags]))
        done.append(int(re.search(r"#define TINY_NET_RAM (\d+)", (output / "tiny_net.h").read_text())[1]))
    card = (output / "README.md").read_text()
    assert f"{done[1]:,} bytes of RAM for float16 activations" in card and "--c_activations=float16\n" in card
    assert re.search(r"64 of 64 test images have to the last bit .* are right, \d+ in Keras", card)
    assert "float16 activations" in capsys.readouterr().err and done[0] / 2 < done[1] < 0.6 * done[0]


@needs_engine
def test_evaluate_and_summary_read_the_files(exported, program_here, untrained):
    model = str(exported[0] / "tiny_net.tflite")
    done = program_here("evaluate", f"--model={model}", "--eval_batch_size=100", "--max_steps=2", "--json")
    assert done.returncode == 0, done.stderr
    _, test = pipeline.load("fashion_mnist_small")
    expected = accuracy(as_classifier(load_model(str(untrained / "model.h5"))), test, 100, 2, "test")
    found = json.loads(done.stdout)
    assert found["images"] == expected[1] == 200 and abs(found["accuracy"] - expected[0]) < 0.02
    with pytest.raises(InputError, match=r"is for images \(28, 28, 1\) of 10 classes; .* has \(14, 14, 1\) of 10"):
        evaluate.main(parse("evaluate", [f"--model={model}", "--image_size=14"]))


@needs_engine
def test_summary_of_a_deployment_file(exported, capsys):
    summary.main(parse("summary", [f"--model={exported[0] / 'tiny_net.tflite'}"]))
    printed = capsys.readouterr().out
    assert "12 binary and 2 float convolutions" in printed
    assert "parameters / 8" in printed and "cell_1_edge_0_1_bin_conv_3x3_even" in printed


def test_summary_needs_one_file():
    for arguments in ([], ["--genotype=a.json", "--model=b.h5"]):
        with pytest.raises(InputError, match="--genotype, --model: exactly one of them is needed"):
            summary.main(parse("summary", arguments))


def test_no_work_directory(tmp_path):
    for directory, reason in ((tmp_path / "none", "no such directory"), (tmp_path, "has no config.flags")):
        with pytest.raises(InputError, match=reason):
            export.main(parse("export", [f"--workdir={directory}", "--name=net", f"--output={tmp_path / 'out'}"]))


def test_unfinished_run_names_the_command(tmp_path):
    (tmp_path / "config.flags").write_text("--seed=0\n")
    with pytest.raises(InputError, match=f"`bin/search --flagfile={tmp_path}/config.flags` resumes it"):
        export.main(parse("export", [f"--workdir={tmp_path}", "--name=net", f"--output={tmp_path / 'out'}"]))


@pytest.mark.parametrize("flags, words", [
    (["--format=zip"], "--format=zip: must be some of zoo, tflite, c"), (["--format="], "--format=: must be some of"),
    (["--format=c,,zoo"], "--format=c,,zoo: must be some of"), (["--name=2net"], "--name=2net: must be a letter"),
    (["--c_activations=int16"], "--c_activations=int16: must be one of float32, float16"),
    (["--c_activations=float16", "--format=zoo,tflite"], "--c_activations=float16: needs c in --format"),
    (["--name=void"], "--name=void: is a word of C"), (["--name=if", "--format=c"], "--name=if: is a word of C")])
def test_formats_and_names_that_are_refused(tmp_path, flags, words):
    with pytest.raises(InputError, match=words):
        parse("export", [f"--workdir={tmp_path}", "--name=net", f"--output={tmp_path / 'out'}", *flags])
