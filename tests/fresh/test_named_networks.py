"""The named networks, exported, in an environment that has TensorFlow and Larq and not this package.

Downloads 0.6 GB; `bin/test --long tests/fresh/test_named_networks.py` takes some minutes.
"""

import json
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
from sample_images import golden_images

from bars_tf.cost.tables import cost_at
from bars_tf.export import named, zoo, zoo_files
from bars_tf.export.zoo_module import Facts
from bars_tf.files import read_json

pytestmark = pytest.mark.long
NEEDED = ("tensorflow", "tf-keras", "numpy", "tensorflow-datasets", "tensorflow-metadata", "protobuf")
SCRIPT = """
import importlib, json, sys
import numpy as np
names, found = sys.argv[1:], {}
for name in names:
    module = importlib.import_module(name)
    data = np.load(f"{name}.npz")
    logits = getattr(module, name)().predict(module.preprocess_input(data["images"]), verbose=0)
    found[name] = int((logits.argmax(-1) == data["labels"]).sum())
try:
    import bars_tf
except ImportError:
    print(json.dumps(found))
"""


def test_exported_networks_need_tensorflow_and_larq_alone(tmp_path):
    fresh = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", fresh], check=True)
    pip = [fresh / "bin" / "pip", "install", "--quiet"]
    needed = [*(f"{name}=={version(name)}" for name in NEEDED),
              "terminaltables", "click", "importlib-resources", "typeguard", "packaging"]
    subprocess.run([*pip, *needed], check=True)
    subprocess.run([*pip, "--no-deps", "larq", "larq-zoo", "zookeeper"], check=True)
    expected = {}
    for name in named.names():
        summary, model, genotype = read_json(named.directory(name) / "summary.json"), zoo.load(name), zoo.genotype(name)
        shape = model.input_shape[1:]
        zoo_files.write(tmp_path, name, genotype, model, Facts(
            summary["dataset"], shape, tuple(summary["class_names"]), tuple(summary["mean"]), tuple(summary["std"]),
            summary["test_accuracy"], summary["test_images"], cost_at(genotype, shape, model.output_shape[-1])))
        images, labels = golden_images(summary["dataset"])
        np.savez(tmp_path / f"{name}.npz", images=images, labels=labels)
        expected[name] = summary["golden_correct"]
    (tmp_path / "check.py").write_text(SCRIPT)
    done = subprocess.run([fresh / "bin" / "python", "check.py", *expected], cwd=tmp_path, capture_output=True,
                          text=True, env={"PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"}, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() == expected.keys()
    for name, correct in found.items():
        assert abs(correct - expected[name]) <= 5, name
