from bars_tf.cli import finish


def test_a_report_that_fails_does_not_end_a_run(tmp_path, monkeypatch, capsys):
    def fail(directory):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(finish.page, "write", fail)
    finish._write_report(tmp_path)
    assert capsys.readouterr().err == (
        f"no report (RuntimeError: no fonts); bin/report --workdir={tmp_path} tries again\n")
