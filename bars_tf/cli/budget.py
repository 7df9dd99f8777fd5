"""The budget that the flags set for the images of a run."""

from __future__ import annotations

from bars_tf.cli.settings import Settings, budget_flag
from bars_tf.cost import overhead
from bars_tf.cost.budget import Budget
from bars_tf.cost.tables import cost_tables
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import FieldError, InputError, as_text, blame
from bars_tf.search import family
from bars_tf.search.task import check_budget


def given_budget(settings: Settings, images: ImageSplits) -> Budget:
    """The limits of the budget flags and of the overhead over a backbone."""
    tables = cost_tables(settings.search_space, images.image_shape, images.num_classes)
    return overhead.budget(settings.limits, settings.values["max_overhead"], tables)


def checked_budget(settings: Settings, images: ImageSplits) -> Budget:
    """The same, for the largest network of a family.

    Raises: InputError where images are too small for the space, or no network keeps the budget.
    """
    values, space, members = settings.values, settings.search_space, settings.values["budgets"]
    with blame("backbone" if values["backbone"] else "space", values["backbone"] or values["space"]):
        space.check_image(images.image_shape)
    tables = cost_tables(space, images.image_shape, images.num_classes)
    budget = given_budget(settings, images)
    if members:
        family.check(members, tables)
        budget = list(members.budgets(budget).values())[-1]
    try:
        check_budget(space, budget, tables)
    except FieldError as error:
        given = settings.limits.limits()
        name = error.field if error.field in given else next(iter(given))
        raise InputError.of(budget_flag(name), as_text(given[name]), error.remedy) from None
    return budget
