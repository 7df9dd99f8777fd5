"""`bin/compare`: trains searched, random and hand-made networks of equal cost alike, and compares them."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

from bars_tf import console
from bars_tf.cli import inputs, workdir
from bars_tf.cli.settings import Settings
from bars_tf.compare import tables, trainings
from bars_tf.compare.gather import gather
from bars_tf.data.splits import load_splits
from bars_tf.errors import InputError
from bars_tf.report.run_files import CANDIDATES, CONFIG, GENOTYPE, NETWORKS
from bars_tf.search.task import Search
from bars_tf.training import environment


def main(settings: Settings) -> None:
    """Gathers the networks, trains them and prints the tables; started again, it resumes."""
    if not settings.has_budget:
        raise InputError("--budget_bops: this or another budget is needed: networks are compared at equal cost")
    directory = workdir.claim(settings, "compare")
    strategy = environment.initialize(settings.run)
    images = load_splits(settings.data)
    budget = inputs.checked_budget(settings, images)
    inputs.check_training(settings, images, strategy)
    contenders, draws = gather(settings.comparison, settings.search_space, budget, images, settings.run.seed)
    searches = finished_searches(settings)
    images.read()
    workdir.keep(settings, "compare", images.train.sha256)
    (directory / NETWORKS).mkdir(exist_ok=True)  # from now on the directory belongs to these settings
    trainings.run(trainings.Comparison(
        contenders, draws, settings.comparison.train_seeds, settings.training, settings.run, images,
        settings.search_space.name, budget, searches, functools.partial(_keep_settings, settings)))
    print((directory / tables.TABLE).read_text(encoding="utf-8").partition("## Figures")[0].strip())
    files = (tables.JSON, tables.TABLE, *tables.FIGURES.values(), f"{NETWORKS}/")
    print(f"\nfiles: {directory}/: {', '.join(files)}")


def _keep_settings(settings: Settings, directory: Path, seed: int) -> None:
    """Writes the flags by which bin/train repeats a training of the comparison."""
    workdir.write_flagfile(directory / CONFIG, settings.replace(
        seed=seed, workdir=str(directory), genotype=str(directory / GENOTYPE)), "train")


def finished_searches(settings: Settings) -> dict[str, Callable[[], Search]]:
    """Returns functions that load the searches whose supernets can score the networks of this comparison, by path of
    `--genotypes`; reports why the supernet of a work directory cannot."""
    def load(search: Settings) -> Search:
        return inputs.search_of(search, load_splits(search.data))

    found = {}
    for path in filter(os.path.isdir, settings.comparison.genotypes):
        try:
            found[path] = functools.partial(load, _search_settings(Path(path), settings))
        except (ValueError, OSError) as error:
            console.say(f"compare: note: --genotypes={path}: its supernet will not score the random networks: {error}")
    return found


def _search_settings(directory: Path, settings: Settings) -> Settings:
    for name in (CONFIG, CANDIDATES):
        if not (directory / name).exists():
            raise ValueError(f"it has no {name}, which a finished search leaves")
    search = workdir.settings_of(directory / CONFIG, "search", f"--workdir={directory}", "--strategy=one_device")
    if search.search_space != settings.search_space:
        raise ValueError("the search was in another space")
    if search.data.name != settings.data.name:
        raise ValueError(f"the search was on {search.data.name}")
    return search.replace(data_dir=settings.data.data_dir or search.data.data_dir)
