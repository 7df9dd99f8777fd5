"""Runs in TensorBoard's HParams and in MLflow, read by their own clients."""

import json
from pathlib import Path

import pytest

from bars_tf.report import tracking


def test_tensorboard_compares_runs_by_their_hparams(run):
    """By the functions behind the tab HPARAMS."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

    (run / "hparams").mkdir()
    (run / "hparams" / "events.out.tfevents.0.old").touch()  # of a shorter training
    tracking.write_hparams(run)
    assert len(list((run / "hparams").iterdir())) == 1
    events = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(run.parent)).Reload()
    provider = data_provider.MultiplexerDataProvider(events, str(run.parent))
    context = backend_context.Context(TBContext(data_provider=provider, logdir=str(run.parent)))
    experiment = get_experiment.Handler(RequestContext(), context, "", api_pb2.GetExperimentRequest()).run()
    metrics = [info.name for info in experiment.metric_infos]
    assert {"seed", "budget_ops"} <= {info.name for info in experiment.hparam_infos}
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=10, allowed_statuses=[api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_RUNNING],
        col_params=[api_pb2.ColParams(metric=name) for name in metrics])
    [group] = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
    values = {value.name.tag: value.value for value in group.metric_values}
    summary = json.loads((run / "summary.json").read_text())
    assert values["test_accuracy"] == pytest.approx(summary["test_accuracy"])
    assert values["ops"] == pytest.approx(summary["cost"]["ops"]) and group.hparams["seed"].number_value == 0


def test_a_run_is_logged_to_mlflow(run, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed (extra mlflow)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracking.log_to_mlflow(run)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    [logged] = client.search_runs([client.get_experiment_by_name("bars_tf").experiment_id])
    summary = json.loads((run / "summary.json").read_text())
    assert logged.info.run_name == run.name and logged.info.status == "FINISHED"
    assert logged.data.params["seed"] == "0" and "workdir" not in logged.data.params
    assert logged.data.metrics["test_accuracy"] == summary["test_accuracy"]
    epochs = client.get_metric_history(logged.info.run_id, "search/loss")
    assert [metric.step for metric in epochs] == list(range(1, len(epochs) + 1)) and len(epochs) > 1
    names = {Path(artifact.path).name for artifact in client.list_artifacts(logged.info.run_id)}
    assert names >= {"genotype.json", "summary.json", "config.flags"}
