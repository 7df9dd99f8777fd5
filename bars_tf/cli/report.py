"""`bin/report`: writes the report of a run. Needs no TensorFlow."""

from pathlib import Path

from bars_tf.cli.settings import Settings
from bars_tf.errors import blame
from bars_tf.report import page, tracking


def main(settings: Settings) -> None:
    with blame("workdir", settings.run.workdir):
        path = page.write(Path(settings.run.workdir))
    if settings.run.mlflow:
        tracking.log_to_mlflow(path.parent)
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB), figures in {path.parent / page.FIGURES}/")
