"""What the flags ask for, on the images of a run: the budget, the search, the genotype."""

from pathlib import Path

from bars_tf import console
from bars_tf.cli.settings import Settings, budget_flag
from bars_tf.cost import overhead
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_tables
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import FieldError, InputError, as_text, blame
from bars_tf.export import named
from bars_tf.legacy_keras import tf
from bars_tf.search.task import Search, check_budget, check_family
from bars_tf.space.genotype import Genotype
from bars_tf.training import inputs, outcome


def given_budget(settings: Settings, images: ImageSplits) -> Budget:
    """The limits of the budget flags and of the overhead over a backbone."""
    tables = cost_tables(settings.search_space, images.image_shape, images.num_classes, settings.limits.device)
    return overhead.budget(settings.limits, settings.values["max_overhead"], tables)


def checked_budget(settings: Settings, images: ImageSplits) -> Budget:
    """The same, for the largest network of a family.

    Raises: InputError where images are too small for the space, or no network keeps the budget.
    """
    values, space, members = settings.values, settings.search_space, settings.values["budgets"]
    with blame("backbone" if values["backbone"] else "space", values["backbone"] or values["space"]):
        space.check_image(images.image_shape)
    tables = cost_tables(space, images.image_shape, images.num_classes, settings.limits.device)
    budget = given_budget(settings, images)
    if members:
        check_family(members, tables)
        budget = members.largest(budget)
    try:
        check_budget(space, budget, tables)
    except ValueError as error:
        given = settings.limits.limits()
        name, remedy = ((error.field, error.remedy) if isinstance(error, FieldError) else
                        (next(iter(given), None), str(error)))
        flag, value = (budget_flag(name), given[name]) if name in given else ("max_overhead", values["max_overhead"])
        raise InputError.of(flag, value, remedy) from None
    return budget


def search_of(settings: Settings, images: ImageSplits) -> Search:
    """The search that the flags ask for."""
    return Search(settings.search_space, settings.search, given_budget(settings, images), settings.values["budgets"],
                  settings.training, settings.run, images, Path(settings.run.workdir))


def check_training(settings: Settings, images: ImageSplits, strategy: tf.distribute.Strategy, **batch_sizes: int
                   ) -> None:
    """Raises InputError where batches, teacher or devices do not fit the images; further batch sizes by their flag."""
    size = settings.training.train_batch_size
    inputs.steps_per_epoch("train_batch_size", size, settings.run.max_steps, images.train)
    inputs.check_sharing(strategy, images, train_batch_size=size, **batch_sizes)
    outcome.read_teacher(settings.training, images)


def read_genotype(settings: Settings) -> Genotype:
    """The genotype of `--genotype`. Says which flags of the space ask for another one."""
    path = settings.values["genotype"]
    with blame("genotype", path):
        genotype = Genotype.load(named.genotype_path(path))
    if others := [f"--{name}={as_text(value)}" for name, value in settings.space_overrides.items()
                  if getattr(genotype.space, name) != value]:
        console.say(f"note: the network is that of --genotype: no effect of {', '.join(others)}")
    return genotype
