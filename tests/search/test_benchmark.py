"""`bin/bench` works; its times are not tested."""

import json

import pytest

from bars_tf.cli import bench as cli_bench
from bars_tf.cli import command_line
from bars_tf.errors import InputError

KEYS = {"sampled_roofline_gflops", "sampled_pair_seconds", "soft_pair_seconds", "sampled_roofline_share",
        "sampled_mac_ratio", "sampled_pair_seconds_by_candidates", "first_pair_seconds", "sampled_peak_bytes",
        "train_peak_bytes", "train_step_seconds", "train_roofline_share", "pipeline_images_per_second",
        "train_images_per_second", "settings", "machine"}


def test_bench(program):
    done = program("bench", "--quick", "--json", "--space=bars_paper", "--layout=N", "--num_nodes=1",
                   "--init_channels=4", "--batch_size=4", "--image_size=8", "--rounds=1")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results.keys() >= KEYS
    assert results["sampled_pair_seconds_by_candidates"].keys() >= {"3", "5"}
    assert all(value > 0 for name, value in results.items() if isinstance(value, float))


@pytest.mark.parametrize("flags, words", [
    (["--primitives=none,skip"], "--primitives=none,skip: has no convolution"),
    (["--stem=imagenet_8", "--image_size=8"], "--image_size=8: its strides make one pixel of")])
def test_what_cannot_be_measured(flags, words):
    with pytest.raises(InputError, match=words):
        cli_bench.main(command_line.parse("bench", [*flags, "--quick"]))
