"""What a run is asked to do: a frozen dataclass, built once from the flags and handed on to the library."""

from __future__ import annotations

import dataclasses
import os
import re
import sysconfig
from pathlib import Path
from typing import Any

from bars_tf.cli.flag_values import BUDGETS
from bars_tf.cost.tables import Budget
from bars_tf.errors import InputError, as_text, blame, blame_field
from bars_tf.files import absolute, read_json
from bars_tf.space.backbones import nasb
from bars_tf.space.presets import NASB, SPACES
from bars_tf.space.search_space import SearchSpace

# Flags that override a field of the space of the same name.
SPACE_FIELDS = ("stem", "stem_channels", "init_channels", "layout", "num_nodes", "full_width_nodes",
                "reduction_shortcut", "reduction_kernel", "primitives", "sharing", "width_choices", "depth_choices",
                "input_quantizer", "kernel_quantizer", "latent_clip", "max_inputs", "num_paths")


def config_directories() -> list[Path]:
    """Where the package's own flag files and spaces lie."""
    return [directory for directory in (Path(__file__).resolve().parent.parent / "configs",
                                        Path(sysconfig.get_path("data"), "share", "bars_tf", "configs"))
            if directory.is_dir()]


def budget_flag(measure: str) -> str:
    """The flag that limits a measure."""
    return next(f"budget_{name}" for name, limited in BUDGETS.items() if limited == measure)


# The teacher that is trained along: the float twin of the network, or of its backbone.
TWIN = "twin"


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """All settings; bars_tf.flags tells what each of them means. A program leaves those that it has no flag for at
    their defaults.

    Raises:
        InputError: when settings do not go together.
    """

    # run
    workdir: str = ""  # empty: named after data set, space or genotype, and seed
    seed: int = 0
    deterministic: bool = False
    max_steps: int = 0
    strategy: str = "one_device"
    save_minutes: float = 10.0
    verbosity: int = 0
    json: bool = False
    # data
    dataset: str = "fashion_mnist_small"
    data_dir: str | None = None
    image_dir: str | None = None
    image_size: int = 0
    crop_padding: int | None = None  # None: as usual for the data set
    flip: bool | None = None
    cutout: int = 0
    split_seed: int | None = None
    validation_split: float = 0.1
    arch_split: float = 0.5
    batch_size: int = 64
    eval_batch_size: int = 256
    # space
    space: str = "bars"
    stem: str | None = None
    stem_channels: int | None = None
    init_channels: int | None = None
    layout: str | None = None
    num_nodes: int | None = None
    full_width_nodes: bool | None = None
    reduction_shortcut: str | None = None
    reduction_kernel: int | None = None
    primitives: tuple[str, ...] | None = None
    sharing: str | None = None
    width_choices: tuple[float, ...] | None = None
    depth_choices: tuple[int, ...] | None = None
    input_quantizer: str | None = None
    kernel_quantizer: str | None = None
    latent_clip: float | None = None
    max_inputs: int | None = None
    num_paths: int | None = None
    backbone: str | None = None
    width_multiplier: float | None = None
    # budget
    budget_bops: float | None = None
    budget_flops: float | None = None
    budget_ops: float | None = None
    budget_params: float | None = None
    budget_size: float | None = None
    budget_peak: float | None = None
    budgets: str | None = None
    max_overhead: str | None = None  # None: a tenth where the space has a backbone
    # search
    search_epochs: int = 50
    warmup_epochs: int | None = None  # None: a tenth of the epochs
    sampling: str = "gumbel_hard"
    uniform_share: float = 1.0
    temperature: float = 1.0
    final_temperature: float = 0.2
    entropy_weight: float = 0.01
    weight_optimizer: str = "adam"
    weight_lr: float = 1e-3
    arch_lr: float = 1e-2
    cost_exponent: float = 1.0
    clip_norm: float = 5.0
    num_candidates: int = 8
    num_finalists: int = 0
    finalist_epochs: int = 2
    # train
    train_epochs: int = 200
    train_batch_size: int = 128
    train_optimizer: str = "adam"
    train_lr: float = 1e-3
    train_warmup_epochs: int | None = None  # None: a tenth of the epochs, at most 5
    label_smoothing: float = 0.0
    dropout: float = 0.0
    train_clip_norm: float = 5.0
    precision: str = "binary"
    pretrain_epochs: int = 0
    teacher: str | None = None
    distillation: float | None = None  # None: a half where there is a teacher
    train_backbone: bool = False
    # bench
    measure: tuple[str, ...] = ("memory", "sampled", "soft", "candidates", "train", "pipeline")
    rounds: int = 7
    quick: bool = False
    xla: bool = False
    mixed_precision: bool = False
    # tune
    what: str | None = None
    tuner: str = "bayesian"
    max_trials: int = 20
    trial_epochs: int | None = None  # None: a fifth of the training's
    tune_minutes: float = 0.0
    as_long_as: str | None = None
    # compare
    genotypes: tuple[str, ...] = ()
    num_random: int = 24
    repeat_random: int | None = None  # None: a quarter of them
    references: tuple[str, ...] | None = None  # None: those that belong to the space
    train_seeds: int = 2
    # files
    genotype: str | None = None
    network: str | None = None
    model: str | None = None
    split: str = "test"
    # runs
    directory: str = "runs"
    sort: str = "run"
    page: str | None = None
    # export
    name: str | None = None
    output: str | None = None
    overwrite: bool = False
    allow_float_fallback: bool = False

    def __post_init__(self):
        def fill(name: str, value: Any) -> None:
            if getattr(self, name) in (None, ""):
                object.__setattr__(self, name, value)

        # No shell expands what stands behind "=", and in flagfiles there is none.
        for name in ("workdir", "data_dir", "space", "genotype", "model", "output", "page", "directory"):
            if getattr(self, name):
                object.__setattr__(self, name, os.path.expanduser(getattr(self, name)))
        # A run may go on from another directory.
        for name in ("image_dir", "as_long_as", *(["teacher"] if self.teacher != TWIN else [])):
            if getattr(self, name):
                object.__setattr__(self, name, absolute(getattr(self, name)))
        object.__setattr__(self, "genotypes", tuple(map(absolute, self.genotypes)))
        fill("split_seed", self.seed)
        fill("repeat_random", self.num_random // 4)
        fill("warmup_epochs", self.search_epochs // 10)
        fill("trial_epochs", max(1, self.train_epochs // 5))
        fill("train_warmup_epochs", min(5, self.train_epochs // 10))
        subject = re.split(r"[/\\]", self.genotype or self.network or self.space)[-1].removesuffix(".json")
        twin = ("float",) if self.precision == "float" else ()
        if self.backbone and not self.genotype:
            subject += f"_{self.backbone}"
        fill("workdir", "runs/" + "_".join(re.sub(r"[^\w.-]", "_", part) for part in
                                           (self.data_name, subject, *twin, str(self.seed))))
        self._check()
        fill("max_overhead", "0.1" if self._space.backbone and not self.budgets else None)
        fill("references", ("backbone", "widened") if self._space.backbone else ("resnet", "quicknet", "bars_uniform"))
        fill("distillation", 0.5 if self.teacher else None)
        if self.network and not self.has_budget:
            raise InputError.of("network", self.network, "needs a budget: --budget_bops=15M, say, or another measure")

    def _check(self) -> None:
        for name, limit in (("warmup_epochs", "search_epochs"), ("train_warmup_epochs", "train_epochs")):
            if getattr(self, name) >= getattr(self, limit):
                raise InputError.of(name, getattr(self, name),
                                    f"must be below --{limit}={getattr(self, limit)}; give both")
        if self.budgets and self.max_overhead not in (None, "none"):
            raise InputError.of("budgets", self.budgets, "takes the place of the overhead: give --max_overhead=none "
                                "with it")
        if self.budgets and self.num_finalists:
            raise InputError.of("num_finalists", self.num_finalists, "trains candidates of one budget: leave out "
                                "--budgets, or bin/train the members of the family")
        if self.num_finalists > self.num_candidates:
            raise InputError.of("num_finalists", self.num_finalists, "must be at most the number of candidates, "
                                f"{self.num_candidates}")
        for name in ("pretrain_epochs", "teacher"):
            if getattr(self, name) and self.num_finalists:
                raise InputError.of("num_finalists", self.num_finalists, "begins trainings of one stage: leave out "
                                    f"--{name}")
            if getattr(self, name) and self.precision == "float":
                raise InputError.of(name, getattr(self, name), "has no place in the training of a float twin "
                                    "(--precision=float)")
        if self.distillation is not None and not self.teacher:
            raise InputError.of("distillation", self.distillation, f"needs --teacher={TWIN} or --teacher=FILE.h5")
        if self.what == "training" and not self.genotype:
            raise InputError("--genotype: is needed with --what=training, the genotype.json of a search, say")
        if self.as_long_as and self.tune_minutes:
            raise InputError.of("as_long_as", self.as_long_as, "takes the place of --tune_minutes: give one of them")
        if self.num_random and self.repeat_random > self.num_random:
            raise InputError.of("repeat_random", self.repeat_random, f"must be at most --num_random={self.num_random}")
        if self.final_temperature > self.temperature:
            raise InputError.of("final_temperature", self.final_temperature,
                                f"must be at most --temperature={as_text(self.temperature)}")
        for name in ("crop_padding", "cutout"):
            if self.image_size and (getattr(self, name) or 0) > self.image_size:
                raise InputError.of(name, getattr(self, name), f"must be at most --image_size={self.image_size}")
        if self.space.endswith(".json"):
            with blame("space", self.space):
                found = (folder / self.space for folder in (Path(), *config_directories()))
                path = next((path.resolve() for path in found if path.is_file()), Path(self.space))
                space = SearchSpace.from_dict(read_json(path))
            object.__setattr__(self, "space", str(path))  # a run may go on from another directory
        elif self.space in SPACES:
            space = SPACES[self.space]
        elif self.space == NASB.name:
            space = self._backbone_space()
        else:
            known = ", ".join((*SPACES, NASB.name))
            raise InputError.of("space", self.space, f"must be one of {known}, or a file NAME.json")
        for name in ("backbone", "width_multiplier"):
            if getattr(self, name) is not None and self.space != NASB.name:
                raise InputError.of(name, getattr(self, name), f"needs --space={NASB.name}; a space of your own has "
                                    "its backbone in its file")
        for name in ("max_overhead", "train_backbone"):
            if getattr(self, name) and not space.backbone and not self.genotype:
                raise InputError.of(name, getattr(self, name), f"--space={self.space} has no backbone; "
                                    f"--space={NASB.name} does")
        object.__setattr__(self, "_space", space)
        self.search_space  # noqa: B018 - refuses what the space does

    def _backbone_space(self) -> SearchSpace:
        """NASB for the backbone that the flags name."""
        with blame_field():
            return nasb(self.backbone or "resnet20", self.width_multiplier or 1.0)

    @property
    def data_flag(self) -> tuple[str, str]:
        """The flag that chooses the data, and its value."""
        return ("image_dir", self.image_dir) if self.image_dir else ("dataset", self.dataset)

    @property
    def data_name(self) -> str:
        """What the data are called."""
        return os.path.basename(self.image_dir) if self.image_dir else self.dataset

    @property
    def space_overrides(self) -> dict[str, Any]:
        """The fields of the space that flags change."""
        return {name: getattr(self, name) for name in SPACE_FIELDS if getattr(self, name) is not None}

    @property
    def search_space(self) -> SearchSpace:
        """The named space, or that of the file, with its overrides."""
        with blame_field():  # may name another field than was given, where two do not agree
            return self._space.replace(**self.space_overrides)

    @property
    def has_budget(self) -> bool:
        """Whether anything limits what a network costs."""
        return bool(self.budget.limits()) or self.max_overhead not in (None, "none")

    @property
    def budget(self) -> Budget:
        """The limits that were given; without any, the search is free."""
        return Budget(**{measure: getattr(self, f"budget_{name}") for name, measure in BUDGETS.items()})
