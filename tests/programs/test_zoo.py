"""The named networks through the programs."""

import json

import numpy as np
import pytest
from PIL import Image

from bars_tf.data.pipeline import batches as batches_of
from bars_tf.data.pipeline import load
from bars_tf.export import named
from bars_tf.export.zoo_files import load_function
from bars_tf.files import read_json

NAME, DATA = "fashion_mnist_1m", "--dataset=fashion_mnist_small"


@pytest.fixture(scope="module")
def image_dir(tmp_path_factory):
    """Ten images of each class of the small Fashion-MNIST set, brighter than these are."""
    directory = tmp_path_factory.mktemp("images")
    _, test = load("fashion_mnist_small")
    x, y = next(iter(batches_of(test, 400)))
    images, labels = np.uint8(np.round(255 * (x.numpy() * test.std + test.mean))), y.numpy()
    for label in range(10):
        (directory / f"class_{label}").mkdir()
        for i, image in enumerate(images[labels == label][:10]):
            Image.fromarray(np.maximum(image[..., 0], 40)).save(directory / f"class_{label}" / f"{i}.png")
    return directory


def test_evaluate(program_here):
    done = program_here("evaluate", f"--network={NAME}", DATA, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["model"] == f"zoo:{NAME}" and found["images"] == 2000
    stored = read_json(named.directory(NAME) / "summary.json")["test_accuracy"]
    assert found["accuracy"] == pytest.approx(stored, abs=0.02)


def test_export_is_prepared_as_the_network_was_trained(program_here, image_dir, tmp_path):
    """By the statistics of its own training images, not those of the images on which it is proven."""
    done = program_here("export", f"--network={NAME}", f"--image_dir={image_dir}", "--format=zoo",
                        f"--output={tmp_path / 'net'}")
    assert done.returncode == 0 and "equal to the last bit" in done.stderr
    module = load_function(tmp_path / "net" / f"{NAME}.py").__globals__
    assert module["MEAN"] == tuple(read_json(named.directory(NAME) / "summary.json")["mean"])
    assert f"bin/export --network={NAME}" in (tmp_path / "net" / "README.md").read_text()


def test_training_goes_on_from_the_weights(program_here, tmp_path):
    command = ["train", f"--genotype=zoo:{NAME}", DATA, "--train_epochs=1", "--train_lr=1e-4", "--max_steps=4",
               f"--workdir={tmp_path}"]
    done = program_here(*command)
    assert done.returncode == 0 and f"--genotype=zoo:{NAME}\n" in (tmp_path / "config.flags").read_text()
    assert read_json(tmp_path / "summary.json")["test_accuracy"] > 0.8
    again = program_here("train", f"--flagfile={tmp_path / 'config.flags'}")
    assert again.returncode == 0 and again.stdout == done.stdout


def test_another_classifier_is_new_and_all_else_is_kept(program_here, image_dir, tmp_path):
    two = tmp_path / "images"
    for label in (0, 1):
        (two / f"class_{label}").mkdir(parents=True)
        for path in (image_dir / f"class_{label}").iterdir():
            (two / f"class_{label}" / path.name).write_bytes(path.read_bytes())
    done = program_here("train", f"--genotype=zoo:{NAME}", f"--image_dir={two}", "--train_epochs=1", "--train_lr=1e-9",
                        "--train_batch_size=4", "--validation_split=0.2", f"--workdir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    from bars_tf.export import zoo
    from bars_tf.network.model_files import load_model

    kept = zoo.load(NAME).get_layer("stem_0_conv").get_weights()[0]
    np.testing.assert_allclose(load_model(str(tmp_path / "run" / "model.h5")).get_layer("stem_0_conv").get_weights()[0],
                               kept, atol=1e-6)


@pytest.mark.parametrize(("arguments", "words"), [
    (["train", f"--network={NAME}", DATA], "is trained already; --genotype=zoo:fashion_mnist_1m trains it further"),
    (["train", "--genotype=zoo:fashion_mnist_1n", DATA], "did you mean fashion_mnist_1m?"),
    (["train", f"--genotype=zoo:{NAME}", DATA, "--precision=float"], "a named network has binary weights"),
    (["evaluate", f"--network={NAME}", "--model=x.h5"], "exactly one of them"),
    (["evaluate", "--network=quicknet"], "must be one of"),
    (["export", "--network=resnet"], "must be one of"),
    (["export", "--output=net"], "exactly one of them"),
    (["export", "--workdir=runs/x", "--output=net"], "--name: is needed with --workdir")])
def test_wrong_flags(arguments, words, program_here):
    done = program_here(*arguments)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1
