"""How far two functions from images to logits agree."""

from typing import NamedTuple

import numpy as np

from bars_tf.legacy_keras import tf

# Images whose logits differ by less than this fraction of the logits' range count as close.
TOLERANCE, CLOSE_SHARE, SAME_CLASS_SHARE = 1e-3, 0.98, 0.99


class Agreement(NamedTuple):
    """How far two functions from images to logits agree: numbers of images.

    Where a sum rounds across 0 a sign flips, and the logits of one image differ visibly: such images are not `close`.
    A comparison with `conversion.with_engine_rounding` shows whether it was rounding.
    """

    images: int
    close: int
    same_class: int

    @property
    def holds(self) -> bool:
        return self.close >= CLOSE_SHARE * self.images and self.same_class >= SAME_CLASS_SHARE * self.images

    def __str__(self) -> str:
        return (f"{self.close:,} of {self.images:,} images within {TOLERANCE:g} of the logits' range, "
                f"{self.same_class:,} of the same class")


def predict(model: tf.keras.Model, images: np.ndarray, batch_size: int = 128) -> np.ndarray:
    """Logits [images, classes], computed by the processor: other devices round otherwise."""
    with tf.device("/CPU:0"):
        return np.concatenate([model(images[i: i + batch_size], training=False).numpy()
                               for i in range(0, len(images), batch_size)])


def agreement(expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Compares logits [images, classes]."""
    scale = max(float(np.ptp(expected)), np.finfo(np.float32).tiny)
    # NaN is not close: the comparison is false.
    close = np.abs(expected - found).max(axis=1) <= TOLERANCE * scale
    return Agreement(len(expected), int(close.sum()), int((expected.argmax(1) == found.argmax(1)).sum()))
