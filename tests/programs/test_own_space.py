"""A search of a space that a user describes in a file."""

import json

SPACE = {"name": "mine", "layout": "N", "num_nodes": 1, "init_channels": 4,
         "primitives": ["none", "skip", "own"], "own_primitives": {"own": {"branch": "bin_conv", "kernel": 3}}}


def test_program_with_a_space_file(program_here, tmp_path):
    """A file that is none, or that has changed since the run began, is refused; the run itself works."""
    path = tmp_path / "mine.json"
    command = ["search", f"--space={path}", "--image_size=8", "--search_epochs=1", "--train_epochs=1", "--max_steps=2",
               "--train_warmup_epochs=0", "--warmup_epochs=0", "--batch_size=8", f"--workdir={tmp_path / 'run'}"]
    missing = program_here(*command)
    assert missing.returncode == 2 and "--space=" in missing.stderr and missing.stderr.count("\n") == 1
    path.write_text(json.dumps(SPACE))
    done = program_here(*command)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "genotype.json").read_text())["space"]["name"] == "mine"
    path.write_text(json.dumps(SPACE | {"init_channels": 8}))
    changed = program_here(*command)
    assert changed.returncode == 2 and "has changed" in changed.stderr
