"""Makes `golden_images/NAME.tfrecord`: the first test images of a data set, as it stores them.

    python tests/make_golden_images.py DATA_DIR/cifar10/3.0.2/cifar10-test.tfrecord-00000-of-00001 cifar10

CIFAR-10 was made of a copy that was compressed as JPEG.
"""

import sys
from pathlib import Path

from bars_tf.export.zoo import GOLDEN_IMAGES
from bars_tf.legacy_keras import tf

if __name__ == "__main__":
    with tf.io.TFRecordWriter(str(Path(__file__).parent / "golden_images" / f"{sys.argv[2]}.tfrecord")) as file:
        for record in tf.data.TFRecordDataset(sys.argv[1]).take(GOLDEN_IMAGES):
            file.write(record.numpy())
