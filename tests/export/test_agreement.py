"""Agreement of logits."""

import numpy as np

from bars_tf.export.agreement import agreement


def test_agreement_counts_images():
    expected = np.random.default_rng(0).normal(size=(100, 10)).astype(np.float32)
    found = expected.copy()
    assert agreement(expected, found) == (100, 100, 100)
    found[0] += 0.1
    found[1] = found[1, ::-1]
    found[2, 0] = np.nan
    assert agreement(expected, found)[1] == 97 and not agreement(expected, found).holds
