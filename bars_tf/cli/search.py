"""`bin/search`: the main job. Searches, derives, rebuilds, trains, evaluates; run again, it resumes."""

from bars_tf.cli import workdir
from bars_tf.cli.finish import finish
from bars_tf.cli.inputs import checked_budget, search_of
from bars_tf.cli.settings import Settings
from bars_tf.data.splits import load_splits
from bars_tf.search.workflow import run_search
from bars_tf.training import environment
from bars_tf.training.inputs import check_sharing, steps_per_epoch
from bars_tf.training.stages import check_teacher


def main(settings: Settings) -> None:
    directory = workdir.claim(settings, "search")
    strategy = environment.initialize(settings.run)
    images = load_splits(settings.data)
    images.read()
    search = search_of(settings, images, directory)
    checked_budget(settings, images)
    check_teacher(settings.training, images)
    _ = search.steps
    batch_size = settings.training.train_batch_size
    steps_per_epoch("train_batch_size", batch_size, settings.run.max_steps, images.train)
    check_sharing(strategy, images, batch_size=settings.search.batch_size, train_batch_size=batch_size)
    workdir.keep(settings, "search", images.train.sha256)
    genotype, found = run_search(search, strategy)
    finish(settings.training, settings.run, images, genotype, directory, strategy, search.limits.limits(), **found)
