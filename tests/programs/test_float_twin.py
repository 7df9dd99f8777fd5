"""`bin/train --precision=float`: the float twin of a network."""

import json


def test_train_a_float_twin(tmp_path, untrained, program_here):
    work = tmp_path / "work"
    done = program_here("train", f"--genotype={untrained / 'genotype.json'}", "--precision=float", "--train_epochs=1",
                   "--max_steps=1", f"--workdir={work}")
    assert done.returncode == 0, done.stderr
    found = json.loads((work / "summary.json").read_text())
    assert found["precision"] == "float" and found["cost"]["bops"] == 0
