"""Runs in trackers of experiments: TensorBoard's HParams, and MLflow. Both are imported late: they take seconds."""

import os
import shutil
import time
from pathlib import Path

from bars_tf.data.settings import USER_IMAGES
from bars_tf.report import page, run_files
from bars_tf.report import run as runs
from bars_tf.report.run_files import number

HPARAMS = "hparams"  # directory of TensorBoard's file
ARTIFACTS = (page.PAGE, run_files.GENOTYPE, run_files.MODEL, run_files.SUMMARY, run_files.CONFIG, run_files.CANDIDATES)
PATHS = ("workdir", "data_dir", "genotype", *USER_IMAGES)
MOST_PARAMS, MOST_METRICS = 100, 1000  # of one request to MLflow


def parameters(run: runs.Run) -> dict[str, str]:
    """The flags of a run by name, but for places of files."""
    return {name: value for name, value in run.flags.items() if name not in PATHS}


def results(run: runs.Run) -> dict[str, float]:
    """Accuracies, times in seconds and costs of a run by name."""
    values = {**run.summary, **(run.summary.get("cost") or {})}
    names = ("test_accuracy", "search_accuracy", "search_seconds", "train_seconds", *run.summary.get("cost", {}))
    return {name: float(value) for name in names if (value := number(values.get(name))) is not None}


def write_hparams(directory: Path) -> None:
    """Writes `hparams/`: with it TensorBoard's HParams compares the runs below its --logdir.

    Raises: ValueError if the directory holds no run; OSError if it cannot be written.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import summary_v2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    run = runs.read(directory)
    shutil.rmtree(directory / HPARAMS, ignore_errors=True)  # of a shorter training
    writer = EventFileWriter(str(directory / HPARAMS))
    flags = {name: _value(text) for name, text in parameters(run).items()}
    scalars = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in results(run).items()])
    for summary in (summary_v2.hparams_pb(flags, trial_id=str(directory.resolve())), scalars):
        writer.add_event(Event(wall_time=time.time(), step=0, summary=summary))
    writer.close()


def _value(text: str) -> bool | float | str:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def log_to_mlflow(directory: Path) -> None:
    """Logs a run to MLflow: flags, results, the logs of every epoch, and its files.

    To the server or store that MLFLOW_TRACKING_URI names, otherwise to MLflow's own default, `mlflow.db` in the working
    directory; under the experiment "bars_tf", or MLFLOW_EXPERIMENT_NAME.

    Raises: ValueError if the directory holds no run; what MLflow raises.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # the programs report nothing to anybody
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    run = runs.read(directory)
    client = MlflowClient()
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "bars_tf"
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    logged = client.create_run(experiment, run_name=directory.resolve().name).info.run_id
    now = int(1000 * time.time())
    params = [Param(name, value) for name, value in parameters(run).items()]
    metrics = [Metric(name, value, now, 0) for name, value in results(run).items()]
    metrics += [Metric(f"{part}/{name}", value, now, int(row["epoch"]))
                for part, log in (("search", run.search_log), ("train", run.train_log)) for row in log
                for name, value in row.items() if name != "epoch"]
    for first in range(0, len(params), MOST_PARAMS):
        client.log_batch(logged, params=params[first:first + MOST_PARAMS])
    for first in range(0, len(metrics), MOST_METRICS):
        client.log_batch(logged, metrics=metrics[first:first + MOST_METRICS])
    for file in ARTIFACTS:
        if (directory / file).exists():
            client.log_artifact(logged, str(directory / file))
    client.set_terminated(logged, "FINISHED" if run.state == runs.FINISHED else "KILLED")
