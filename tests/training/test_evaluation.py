"""Accuracy and the confusion matrix of a network."""

import numpy as np

from bars_tf.data.image_data import load
from bars_tf.training import evaluation
from bars_tf.training.evaluation import Classifier, accuracy


def test_accuracy_and_confusion():
    _, test = load("fashion_mnist_small")
    labels = iter(test.records.in_memory[1].numpy()[:200].reshape(2, 100))

    def logits(images):
        """Those of the labels, but for the first ten images of a batch, which get the class 3."""
        classes = next(labels).copy()
        classes[:10] = 3
        return np.eye(10)[classes]

    confusion = np.zeros((10, 10), int)
    found, count = accuracy(Classifier(logits, test.image_shape, 10), test, 100, 2, "test", confusion)
    assert count == confusion.sum() == 200 and found == np.trace(confusion) / 200 and 0.9 <= found < 1
    wrong = confusion - np.diag(np.diag(confusion))
    assert wrong[:, 3].sum() == wrong.sum() > 0


def test_recall_of_each_class():
    assert evaluation.by_class(np.array([[8, 1, 1], [0, 0, 0], [0, 3, 1]])) == {
        "recall": [0.8, None, 0.25], "balanced_accuracy": 0.525}
