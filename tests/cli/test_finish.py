from bars_tf.cli import finish
from bars_tf.config import RunSettings


def test_what_fails_after_a_run_does_not_end_it(tmp_path, monkeypatch, capsys):
    def fail(directory):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(finish.page, "write", fail)
    monkeypatch.setattr(finish.tracking, "write_hparams", fail)
    monkeypatch.setattr(finish.tracking, "log_to_mlflow", fail)
    finish._report(tmp_path, RunSettings(mlflow=True))
    assert capsys.readouterr().err.splitlines() == [
        f"no report (RuntimeError: no fonts); bin/report --workdir={tmp_path} tries again",
        "no HParams for TensorBoard (RuntimeError: no fonts)",
        f"not logged to MLflow (RuntimeError: no fonts); bin/report --workdir={tmp_path} --mlflow tries again"]
