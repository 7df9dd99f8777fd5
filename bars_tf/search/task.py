"""The task of a search: what is searched, on which images, under which budget."""

import dataclasses
import functools
from pathlib import Path

from bars_tf import console
from bars_tf.config import RunSettings
from bars_tf.cost import deployment
from bars_tf.cost.budget import NEARLY_ALL, Budget, Family
from bars_tf.cost.part_costs import CostTables
from bars_tf.data.image_data import ImageData
from bars_tf.data.splits import ImageSplits
from bars_tf.errors import InputError, as_text, blame
from bars_tf.search.derivation import optimum
from bars_tf.search.settings import SearchSettings
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.inputs import steps_per_epoch
from bars_tf.training.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Search:
    """A search: its settings, images and work directory."""

    space: SearchSpace
    settings: SearchSettings
    budget: Budget  # of every derived network; the limits of `family` come on top
    family: Family | None  # budgets for one network each; None for one network
    training: TrainingSettings  # of the training that follows, which finals begin
    run: RunSettings
    images: ImageSplits
    directory: Path

    @property
    def limits(self) -> Budget:
        """The budget of the network that is trained: the largest one of a family."""
        return self.family.largest(self.budget) if self.family else self.budget

    @property
    def steering(self) -> Budget:
        """The budget that steers the alphas."""
        return self.family.steering(self.budget) if self.family else self.budget

    @functools.cached_property
    def parts(self) -> tuple[ImageData, ...]:
        """The training images of the weights and those of the alphas."""
        fraction = self.settings.arch_split
        with blame("arch_split", fraction):
            return self.images.train.split(self.run.seed + 1, (1 - fraction, fraction))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return steps_per_epoch("batch_size", self.settings.batch_size, self.run.max_steps, *self.parts)


def check_budget(space: SearchSpace, budget: Budget, tables: CostTables) -> None:
    """Notes a budget that leaves out no network; raises ValueError with the reachable range on one that none keeps."""
    for note in deployment.notes(space):
        console.say(f"note: {note}")
    largest = {name: optimum.cost_range(tables, name)[1] for name in budget.limits()}
    if largest and all(limit >= largest[name] for name, limit in budget.limits().items()):
        sizes = ", ".join(f"{name} {most:,.0f}" for name, most in largest.items())
        console.say(f"note: the budget leaves out no network: the largest of the space has {sizes}")
    optimum.check_budget(tables, budget)


def check_family(family: Family, tables: CostTables) -> None:
    """Raises InputError with the reachable limits, unless each is kept by a network that uses `NEARLY_ALL` of it."""
    smallest, largest = optimum.cost_range(tables, family.measure)
    reachable = [limit for limit in family.limits if smallest <= limit and NEARLY_ALL * limit <= largest]
    if len(reachable) < len(family.limits):
        within = ", ".join(map(as_text, reachable)) or "none of these"
        raise InputError.of("budgets", family, f"the space reaches from {smallest:.6g} to {largest:.6g}; "
                            f"within its reach: {within}")
