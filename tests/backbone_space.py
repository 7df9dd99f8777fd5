"""A small search space with a backbone, and the flags of a short run with it."""

import json

from bars_tf.space.search_space import SearchSpace

BACKBONE = [[4, 1, 1], [8, 2, 2]]

SPACE = {"name": "mine", "stem": "conv_3x3_2", "init_channels": 4, "num_nodes": 2, "max_inputs": 2, "sharing": "none",
         "primitives": ["none", "skip", "max_pool_3x3", "bin_conv_1x1", "bin_conv_3x3"], "width_choices": [1.0],
         "input_quantizer": "approx_sign", "backbone": BACKBONE}

TINY = ("--flagfile=nasb_quickstart.flags", "--max_steps=3", "--search_epochs=2", "--warmup_epochs=1",
        "--pretrain_epochs=1", "--train_epochs=2", "--num_candidates=2", "--eval_batch_size=64", "--deterministic")


def space_file(directory, **changes):
    path = directory / "mine.json"
    path.write_text(json.dumps(SPACE | changes))
    return f"--space={path}"


def own_flags(directory, **changes):
    """Flags of a tiny run with a backbone of the user's own."""
    flags = [flag for flag in TINY if not flag.startswith("--flagfile")]
    return (space_file(directory, **changes), *flags, "--dataset=fashion_mnist_small", "--teacher=twin",
            "--batch_size=16", "--train_batch_size=16", "--train_backbone", "--max_overhead=0.5",
            f"--workdir={directory / 'work'}")


BACKBONE_SPACE = SearchSpace.from_dict(SPACE)
