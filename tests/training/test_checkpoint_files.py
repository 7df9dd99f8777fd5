from bars_tf import files
from bars_tf.training import checkpoint_files


def test_states_of_finished_trainings_go(tmp_path):
    for name in ("train/checkpoints/a", "train/best_model.h5", "model.h5"):
        files.write_bytes(tmp_path / name, b"x")
    checkpoint_files.discard_states(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["model.h5"]
