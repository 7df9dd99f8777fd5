"""`bin/search`: the main job. Searches, derives, rebuilds, trains, evaluates; run again, it resumes."""

from bars_tf.cli import inputs, workdir
from bars_tf.cli.finish import finish
from bars_tf.cli.settings import Settings
from bars_tf.data.splits import load_splits
from bars_tf.search.workflow import run_search
from bars_tf.training import distribution, environment


def main(settings: Settings) -> None:
    directory = workdir.claim(settings, "search")
    strategy = environment.initialize(settings.run)
    images = load_splits(settings.data)
    images.read()
    search = inputs.search_of(settings, images)
    inputs.checked_budget(settings, images)
    _ = search.steps
    inputs.check_training(settings, images, strategy, batch_size=settings.search.batch_size)
    workdir.keep(settings, "search", images.train.sha256)
    with distribution.all_workers():
        genotype, found = run_search(search, strategy)
        finish(settings.training, settings.run, images, genotype, directory, strategy, search.limits, **found)
