"""Input that the programs refuse: one line that names the flag, the value and the remedy, and exit status 2.

The programs run in this process: they refuse before any training.
"""

import dataclasses
import fcntl
import json

import pytest
from backbone_space import BACKBONE_SPACE
from genotype_files import GENOTYPE, genotype_text
from helpers import TINY, refused
from sample_images import random_images, write_dataset

from bars_tf.config import RunSettings
from bars_tf.legacy_keras import tf
from bars_tf.network.keras_network import build_network
from bars_tf.space import backbones
from bars_tf.space.presets import BARS_PAPER


@pytest.mark.parametrize("flags, words", [
    (["--dataset=cifar_10"], ["--dataset=cifar_10", "cifar10"]),
    (["--space=bras"], ["--space=bras", "bars"]),
    (["--primitives=none,bin_conv_7x7"], ["bin_conv_7x7", "bin_conv_3x3"]),
    (["--sampling=hard"], ["--sampling=hard", "gumbel_hard"]),
    (["--weight_optimizer=adamw"], ["--weight_optimizer=adamw", "sgd"]),
    (["--budget_ops=1000"], ["--budget_ops=1000", "reaches from"]),
    (["--budget_params=1000"], ["--budget_params=1000", "reaches from"]),
    (["--budget_peak=1k"], ["--budget_peak=1000", "reaches from 34496 to 150528 peak bytes"]),
    (["--budget_latency=1us", "--device=rpi4b"], ["--budget_latency=1", "reaches from", "µs, estimated"]),
    (["--budget_bops=12Q"], ["--budget_bops", "12Q", "12.5M"]),
    (["--width_choices="], ["--width_choices"]),
    (["--width_choices=-1,1"], ["--width_choices", "above 0"]),
    (["--width_choices=1,0.5"], ["--width_choices", "increase"]),
    (["--depth_choices="], ["--depth_choices"]),
    (["--depth_choices=2,1"], ["--depth_choices", "increase"]),
    (["--depth_choices=-1,1"], ["--depth_choices", "at least 0"]),
    (["--batch_size=5000"], ["--batch_size=5000", "3150"]),
    (["--train_batch_size=50000"], ["--train_batch_size=50000", "6300"]),
])
def test_bad_flags_get_one_line(program_here, tmp_path, flags, words):
    done = program_here("search", "--flagfile=quickstart.flags", f"--workdir={tmp_path / 'work'}", *flags)
    refused(done, words)


@pytest.mark.parametrize("text, words", [
    (genotype_text()[:200], ["not JSON"]),
    ("widths: 1", ["not JSON"]),
    (genotype_text(format="another/1"), ["not a bars_tf.genotype/1"]),
    (genotype_text(widths=[0.3, 1.0]), ["widths[0]=0.3", "0.25"]),
    (genotype_text(space={**BARS_PAPER.to_dict()}), ["topologies must have the keys"]),
    (genotype_text(topologies={**GENOTYPE.to_dict()["topologies"], "normal_0": [[[1, "skip"]], [], [], []]}),
     ["node 1", "source 1", "earlier node"]),
    (genotype_text(color="red"), ["unknown key 'color'"]),
])
def test_bad_genotype_files_get_one_line(program_here, tmp_path, text, words):
    path = tmp_path / "genotype.json"
    path.write_text(text)
    done = program_here("train", f"--genotype={path}", f"--workdir={tmp_path / 'work'}")
    refused(done, ["--genotype", *words])
    refused(program_here("summary", f"--genotype={path}"), ["--genotype", *words])


def test_missing_genotype_file(program_here, tmp_path):
    refused(program_here("summary", f"--genotype={tmp_path / 'none.json'}"), ["--genotype", "No such file"])


def test_work_directory_of_another_configuration(copy_of_finished, program_here):
    directory = copy_of_finished
    done = program_here("search", *TINY, f"--workdir={directory}", "--seed=3", "--train_lr=0.5")
    refused(done, ["--workdir", "--seed=0 there, 3 here", "--train_lr=0.01 there, 0.5 here"])


def test_work_directory_that_cannot_be_written(program_here, tmp_path):
    (tmp_path / "file").write_text("")
    refused(program_here("search", *TINY, f"--workdir={tmp_path / 'file' / 'work'}"), ["--workdir", "Not a directory"])


def test_one_run_a_work_directory(program_here, tmp_path):
    directory = tmp_path / "work"
    directory.mkdir()
    with (directory / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refused(program_here("search", *TINY, f"--workdir={directory}"), ["--workdir", "another run"])


def test_a_model_that_could_run_code_is_not_loaded(program_here, tmp_path):
    model = tf.keras.Sequential([tf.keras.layers.Input((28, 28, 1)), tf.keras.layers.Flatten(),
                                 tf.keras.layers.Lambda(lambda x: x), tf.keras.layers.Dense(10)])
    model.save(tmp_path / "model.h5")
    refused(program_here("evaluate", f"--model={tmp_path / 'model.h5'}"), ["--model", "Lambda"])
    (tmp_path / "model.h5").write_bytes(b"no model")
    refused(program_here("evaluate", f"--model={tmp_path / 'model.h5'}"), ["--model", "not an HDF5 file"])


@pytest.mark.parametrize("damage", ["record", "label"])
def test_bad_data(program_here, tmp_path, damage):
    """In the training images, and in the test images, which a run needs last."""
    labels = {"train": [0, 1, 2, 0, 7, 1], "test": [0] * 6} if damage == "label" else None
    directory = write_dataset(tmp_path, random_images(6, 8, 8, 1), labels)
    (file,) = directory.glob("tiny-train*" if damage == "label" else "tiny-test*")
    if damage == "record":
        file.write_bytes(file.read_bytes()[:-20])
    done = program_here("search", *TINY, "--dataset=tiny", f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'work'}")
    refused(done, ["--dataset=tiny", f"record {4 if damage == 'label' else 5} of", file.name,
                   {"record": "is damaged", "label": "label 7, where 0 to 2 are allowed"}[damage]])


def test_a_work_directory_trains_one_genotype(program_here, tmp_path):
    GENOTYPE.save(tmp_path / "work" / "genotype.json")
    other = tmp_path / "other.json"
    dataclasses.replace(GENOTYPE, widths=(0.5, 1.0)).save(other)
    refused(program_here("train", f"--genotype={other}", f"--workdir={tmp_path / 'work'}"),
            ["--workdir=", "trains another genotype than --genotype="])
    refused(program_here("train", f"--genotype={other}", f"--workdir={tmp_path / 'new'}", "--train_batch_size=100000"),
            ["--train_batch_size=100000: "])
    # A refused run does not own the directory.
    assert not (tmp_path / "work" / "config.flags").exists() and not list((tmp_path / "new").glob("*.json"))


@pytest.mark.parametrize("flags, words", [
    (["--backbone=resnet19"], "--backbone=resnet19: must be one of resnet18"),
    (["--kernel_quantizer=dorefa"], "--kernel_quantizer=dorefa: must be one of ste_sign, magnitude_aware_sign"),
    (["--input_quantizer=relu"], "--input_quantizer=relu: must be one of"),
    (["--max_overhead=-0.1"], "--max_overhead=-0.1: must be a number of at least 0"),
    (["--max_overhead=ops"], "must be a number of at least 0"),
    (["--num_paths=0"], "--num_paths=0: must be a whole number of at least 1"),
    (["--width_multiplier=0.3"], "--width_multiplier=0.3: must make whole numbers of 16, 32, 64 channels"),
    (["--image_size=8", "--stem=resnet"], "its strides make one pixel of 16x16, the images have 8x8"),
    (["--teacher="], "must not be empty"),
    (["--teacher=nowhere.h5"], "--teacher="),
    (["--width_choices=0.5,1"], "--width_choices=0.5,1: must be 1 with a backbone"),
    (["--layout=NR"], "a backbone fixes the cells"),
    (["--primitives=skip,bin_conv_3x3"], "needs none with a backbone"),
    (["--budgets=200k,220k"], "takes the place of the overhead"),
    (["--space=bars", "--backbone=resnet20"], "needs --space=nasb"),
    (["--space=bars", "--max_overhead=0.1"], "has no backbone"),
    (["--budget_ops=1k"], "--budget_ops=1000: is below the smallest network"),
])
def test_bad_input(program_here, tmp_path, flags, words):
    kept = [flag for flag in flags if flag.startswith("--space=bars")]
    base = [] if kept else ["--flagfile=nasb_quickstart.flags"]
    done = program_here("search", *base, *flags, f"--workdir={tmp_path / 'work'}")
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3 and "Traceback" not in done.stderr


def test_bad_stages(program_here, tmp_path):
    genotype = backbones.backbone(BACKBONE_SPACE)
    genotype.save(tmp_path / "genotype.json")
    build_network(genotype, (28, 28, 1), 7).save(tmp_path / "teacher.h5")
    logits = build_network(genotype, (28, 28, 1), 10)
    tf.keras.Model(logits.input, tf.keras.layers.Softmax()(logits.output)).save(tmp_path / "layer.h5")
    tf.keras.Model(logits.input, tf.keras.layers.Dense(10, "softmax")(logits.output)).save(tmp_path / "softmax.h5")
    ending = tf.keras.Sequential([tf.keras.layers.Input(10), tf.keras.layers.Dense(10, "softmax")])
    tf.keras.Sequential([logits, ending]).save(tmp_path / "nested.h5")
    base = [f"--genotype={tmp_path / 'genotype.json'}", f"--workdir={tmp_path / 'work'}"]
    for flags, words in (
            (["--precision=float", "--pretrain_epochs=2"], "--pretrain_epochs=2: has no place in the training of"),
            (["--precision=float", "--teacher=twin"], "--teacher=twin: has no place"),
            (["--distillation=0.5"], "--distillation=0.5: needs --teacher=twin"),
            ([f"--teacher={tmp_path / 'teacher.h5'}"], "is for images (28, 28, 1) of 7 classes; fashion_mnist"),
            ([f"--teacher={tmp_path / 'softmax.h5'}"], "must end in logits"),
            ([f"--teacher={tmp_path / 'nested.h5'}"], "must end in logits"),
            ([f"--teacher={tmp_path / 'layer.h5'}"], "Softmax")):
        done = program_here("train", *base, *flags)
        assert done.returncode == 2 and words in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


WORKERS = ["host1:2222", "host2:2222"]


def task_of(cluster, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize("text, problem", [
    ("", "it is missing"), ("{", "it is not JSON"), ("{}", "it has another form"), ("[]", "it has another form"),
    ('{"cluster": 3, "task": 4}', "it has another form"), (task_of({"worker": [1, 2]}), "it has another form"),
    (task_of({"worker": "host1:2222"}), "each job is a list"), (task_of({"worker": []}), "each job is a list"),
    (task_of({"worker": {"0": "host1:2222"}}), "each job is a list"),
    (task_of({"worker": ["host1:2222"] * 2}), "addresses that differ"),
    (task_of({"worker": ["host1", "host2"]}), "'host1' is not an address HOST:PORT"),
    (task_of({"worker": ["host1:port"]}), "'host1:port' is not an address HOST:PORT"),
    (task_of({"worker": ["[::1]:1", "[::2"]}), "'[::2' is not an address HOST:PORT"),
    (task_of({"worker": ["host1:65536"]}), "'host1:65536' is not an address HOST:PORT"),
    (task_of({"worker": ["host1\0:1"]}), "is not an address HOST:PORT"),
    (task_of({"worker": ["http://host1:1"]}), "'http://host1:1' is not an address HOST:PORT"),
    (task_of({"worker": ["host1:2222", "HOST1:2222"]}), "addresses that differ"),
    ("[" * 10**5, "it is not JSON"), (f"'{task_of({'worker': WORKERS})}'", "it is not JSON"),
    (json.dumps(task_of({"worker": WORKERS})), "it has another form"),
    ('{"sparseCluster": {}, "task": {"type": "chief", "index": 0}}', "it has another form"),
    (task_of({"worker": WORKERS, "master": ["host3:2222"]}, "master"), "not master"),
    (task_of({"worker": WORKERS}, "evaluator"), "no task 'evaluator' of index 0"),
    (task_of({"worker": WORKERS, "ps": ["host3:2222"]}, "ps"), "not ps"),
    (task_of({"worker": WORKERS, "chief": ["host3:2222", "host4:2222"]}), "there is one chief"),
    (task_of({"worker": WORKERS}, "ps"), "no task 'ps' of index 0"),
    (task_of({"worker": WORKERS}, ["worker"]), "no task ['worker']"),
    (task_of({"worker": WORKERS}, index=2), "no task 'worker' of index 2"),
    (task_of({"worker": WORKERS}, index=-1), "of index -1"), (task_of({"worker": WORKERS}, index="0"), "of index '0'")])
def test_several_workers_need_a_description(text, problem, program_here, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    done = program_here("search", *TINY, "--strategy=multi_worker", f"--workdir={tmp_path / 'work'}")
    refused(done, ["--strategy=multi_worker", "TF_CONFIG", "host1:2222", problem])


def test_the_chief_writes_files(monkeypatch):
    for text, chief in ((task_of({"worker": WORKERS}), True), (task_of({"worker": WORKERS}, index=1), False),
                        (task_of({"worker": WORKERS, "chief": ["host3:1"]}), False),
                        (task_of({"worker": WORKERS, "chief": ["host3:1"]}, "chief"), True)):
        monkeypatch.setenv("TF_CONFIG", text)
        assert RunSettings(strategy="multi_worker").is_chief == chief and RunSettings().is_chief

