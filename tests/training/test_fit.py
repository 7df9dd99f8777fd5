"""The training of a network, on images whose classes have weights."""

import csv

import numpy as np
import pytest
from sample_images import write_folder

from bars_tf.config import RunSettings
from bars_tf.data.pipeline import batches
from bars_tf.data.settings import DataSettings
from bars_tf.data.splits import load_splits
from bars_tf.legacy_keras import tf
from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_SMALL
from bars_tf.training.fit import train_network
from bars_tf.training.settings import TrainingSettings

SPACE = BARS_SMALL.replace(init_channels=4, stem_channels=4, num_nodes=2, layout="NR")
GENOTYPE = Genotype(SPACE, (1.0, 1.0), (1, 0), ((((0, "bin_conv_3x3"),), ()),) * 2)


@pytest.mark.parametrize("label_smoothing, distilled", [(0.0, False), (0.1, True)])
def test_weights_of_classes(tmp_path, label_smoothing, distilled):
    """Loss and accuracy of the validation are the weighted ones of the network that was trained."""
    for name, count in (("a", 60), ("b", 12)):
        write_folder(tmp_path / "images", [name], count, size=(16, 16))
    images = load_splits(DataSettings(image_dir=str(tmp_path / "images"), class_weights="balanced",
                                      validation_split=0.4))
    settings = TrainingSettings(train_epochs=1, train_batch_size=8, label_smoothing=label_smoothing,
                                **({"teacher": "twin", "distillation": 0.5} if distilled else {}))
    teacher = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(2)]) if distilled else None
    network, _ = train_network(settings, RunSettings(str(tmp_path)), images, GENOTYPE, tmp_path, teacher=teacher)
    x, y, weights = next(iter(batches(images.validation, 100)))
    assert np.allclose(weights, np.take(images.train.class_weights, y))
    logits = network(x, training=False)
    one_hot = tf.one_hot(y, 2) * (1 - label_smoothing) + label_smoothing / 2
    losses = -tf.reduce_sum(one_hot * tf.nn.log_softmax(logits), -1)
    hits = np.argmax(logits, -1) == y.numpy()
    row = next(csv.DictReader((tmp_path / "train" / "log.csv").open()))
    assert float(row["val_loss"]) == pytest.approx(float(np.mean(losses * weights)), rel=1e-4)
    assert float(row["val_accuracy"]) == pytest.approx(np.sum(hits * weights) / np.sum(weights), rel=1e-4)
