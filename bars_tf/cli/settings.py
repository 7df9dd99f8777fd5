"""All settings of a program: the resolved value of every flag, and the settings of each room made of them."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bars_tf.cli.flags import ALL, MEASUREMENTS, SPACE
from bars_tf.compare.settings import USUAL_BLOCKS, ComparisonSettings, TuningSettings
from bars_tf.config import RunSettings, config_directories
from bars_tf.cost import device
from bars_tf.cost.budget import BUDGETS, Budget
from bars_tf.cost.measures import LATENCY
from bars_tf.data.settings import USER_IMAGES, DataSettings
from bars_tf.errors import InputError, blame, blame_field
from bars_tf.export import named
from bars_tf.export.settings import ExportSettings
from bars_tf.files import absolute, read_json
from bars_tf.search.settings import SearchSettings
from bars_tf.space.backbones import nasb
from bars_tf.space.presets import NASB, SPACES
from bars_tf.space.search_space import SearchSpace
from bars_tf.training.settings import TWIN, TrainingSettings

# Flags that override a field of the space of the same name.
SPACE_FIELDS = tuple(name for name in SPACE if name not in ("space", "backbone", "width_multiplier"))
_ROOMS = {"run": RunSettings, "data": DataSettings, "search": SearchSettings, "training": TrainingSettings,
          "comparison": ComparisonSettings, "tuning": TuningSettings}
# Finals train candidates of one budget, in one stage.
WITHOUT_FINALS = ("budgets", "pretrain_epochs", "teacher")
# The value of every flag that is not given. None: the program finds it, as `_resolved` says, or there is none.
DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(ALL),
    **{field.name: field.default for room in _ROOMS.values() for field in dataclasses.fields(room)},
    **dict.fromkeys(("split_seed", "warmup_epochs", "train_warmup_epochs", "distillation", "repeat_random",
                     "references", "trial_epochs", "num_finalists", "finalist_epochs")),
    "verbosity": 0, "json": False, "blocks": USUAL_BLOCKS, "space": "bars", "measure": MEASUREMENTS, "rounds": 7,
    "quick": False, "split": "test", "layers": False, "directory": "runs", "sort": "run", "overwrite": False,
    "allow_float_fallback": False, "c_activations": "float32"}


def budget_flag(measure: str) -> str:
    """The flag that limits a measure."""
    return next(f"budget_{name}" for name, limited in BUDGETS.items() if limited == measure)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one call of a program."""

    values: Mapping[str, Any]  # the resolved value of every flag, by its name: what a run keeps as `config.flags`
    search_space: SearchSpace  # the named space, or that of the file, with the fields that flags override
    limits: Budget  # the limits of the budget flags
    run: RunSettings
    data: DataSettings
    search: SearchSettings
    training: TrainingSettings
    comparison: ComparisonSettings
    tuning: TuningSettings
    export: ExportSettings | None  # None without `--name`

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """The settings that flags ask for; those that are not given have their defaults.

        Raises: InputError where flags do not go together.
        """
        values, space = _resolved(given)
        limits = _limits(values)
        rooms = _ROOMS | ({"export": ExportSettings} if values["name"] else {})
        settings = cls(values, space, limits, **{"export": None, **{
            name: room(**{field.name: values[field.name] for field in dataclasses.fields(room)})
            for name, room in rooms.items()}})
        settings._check(given)
        return settings

    def replace(self, **changes: Any) -> Settings:
        """The same settings but for some flags; defaults that depend on these stay as they are."""
        return Settings.of(**{**self.values, **changes})

    def _check(self, given: Mapping[str, Any]) -> None:
        values = self.values

        def refuse(wrong: Any, name: str, remedy: str) -> None:
            if wrong:
                raise InputError.of(name, values[name], remedy)

        refuse(values["budgets"] and given.get("max_overhead") not in (None, "none"), "budgets",
               "takes the place of the overhead: give --max_overhead=none with it")
        other = next((name for name in WITHOUT_FINALS if values[name]), None)
        refuse(values["num_finalists"] and other, "num_finalists",
               f"trains candidates of one budget in one stage: leave out --{other}")
        if values["what"] == "training" and not values["genotype"]:
            raise InputError("--genotype: is needed with --what=training, the genotype.json of a search, say")
        for name in ("backbone", "width_multiplier"):
            refuse(values[name] is not None and values["space"] != NASB.name, name,
                   f"needs --space={NASB.name}; a space of your own has its backbone in its file")
        for name in ("max_overhead", "train_backbone"):
            refuse(given.get(name) and not self.search_space.backbone and not values["genotype"], name,
                   f"--space={values['space']} has no backbone; --space={NASB.name} does")

    @property
    def has_budget(self) -> bool:
        """Whether anything limits what a network costs."""
        return bool(self.limits.limits()) or self.values["max_overhead"] not in (None, "none")

    @property
    def space_overrides(self) -> dict[str, Any]:
        """The fields of the space that flags change."""
        return {name: self.values[name] for name in SPACE_FIELDS if self.values[name] is not None}


def _limits(values: Mapping[str, Any]) -> Budget:
    """The limits of the budget flags, and the device that times are of."""
    name, family = values["device"], values["budgets"]
    for flag, measure in (("budget_latency", LATENCY if values["budget_latency"] else ""),
                          ("budgets", family.measure if family else "")):
        if measure == LATENCY and not name:
            raise InputError.of(flag, values[flag], "needs the --device whose time it is: "
                                f"{', '.join(device.shipped())}, or a file of bin/device")
    with blame("device", name):
        found = device.load(name) if name else None
    return Budget(device=found, **{measure: values[f"budget_{name}"] for name, measure in BUDGETS.items()})


def _resolved(given: Mapping[str, Any]) -> tuple[dict[str, Any], SearchSpace]:
    """The value of every flag, and the search space: paths made absolute, missing values filled in."""
    values = {**DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    if values["network"] in named.names():
        values |= {"dataset": given.get("dataset") or named.dataset(values["network"]),
                   "name": values["name"] or values["network"]}
    # No shell expands what stands behind "=", and in flagfiles there is none.
    paths = ("workdir", "space", "genotype", "model", "output", "page", "directory", "device", "read")
    for name in (*paths, *USER_IMAGES, "as_long_as", "teacher"):
        if values[name] and "://" in values[name]:
            raise InputError.of(name, values[name], "must be a path of this machine, not an address")
    for name in (*paths, "data_dir"):  # where TensorFlow Datasets reads from addresses, too
        if values[name]:
            values[name] = os.path.expanduser(values[name])
    # A run may be resumed from another directory.
    own = {"teacher": values["teacher"] != TWIN, "device": str(values["device"]).endswith(".json")}
    for name in (*USER_IMAGES, "as_long_as", *(name for name, is_path in own.items() if is_path)):
        if values[name]:
            values[name] = absolute(values[name])
    values["genotypes"] = tuple(map(absolute, values["genotypes"]))
    name_or_path, preset = _named_space(values)
    with blame_field():  # may name another field than was given, where two do not agree
        space = preset.replace(**{name: values[name] for name in SPACE_FIELDS if values[name] is not None})
    found = {
        "split_seed": values["seed"],
        "num_finalists": 0 if any(values[name] for name in WITHOUT_FINALS) else SearchSettings.num_finalists,
        "finalist_epochs": -(-2 * values["train_epochs"] // 5),
        "repeat_random": values["num_random"] // 4,
        "warmup_epochs": values["search_epochs"] // 2,
        "trial_epochs": max(1, values["train_epochs"] // 5),
        "train_warmup_epochs": min(5, values["train_epochs"] // 10),
        "distillation": 0.5 if values["teacher"] else None,
        "workdir": _usual_workdir(values), "output": values["name"],
        "max_overhead": "0.1" if space.backbone and not values["budgets"] else None,
        "references": ("backbone", "widened") if space.backbone else ("resnet", "quicknet", "bars_uniform")}
    missing = {name: value for name, value in found.items() if values[name] in (None, "")}
    return {**values, **missing, "space": name_or_path}, space


def _usual_workdir(values: Mapping[str, Any]) -> str:
    """runs/, then data set, space or genotype, and seed."""
    subject = re.split(r"[/\\]", values["genotype"] or values["network"] or values["space"])[-1].removesuffix(".json")
    twin = ("float",) if values["precision"] == "float" else ()
    if values["backbone"] and not values["genotype"]:
        subject += f"_{values['backbone']}"
    data = next((os.path.basename(path) for name in USER_IMAGES if (path := values[name])), values["dataset"])
    parts = (data, subject, *twin, str(values["seed"]))
    return "runs/" + "_".join(re.sub(r"[^\w.-]", "_", part)[:64] for part in parts)


def _named_space(values: Mapping[str, Any]) -> tuple[str, SearchSpace]:
    """The space of that name or file, and its name or the absolute path of the file."""
    name = values["space"]
    if name.endswith(".json"):
        with blame("space", name):
            found = (folder / name for folder in (Path(), *(place / "spaces" for place in config_directories())))
            path = next((path.resolve() for path in found if path.is_file()), Path(name))
            return str(path), SearchSpace.from_dict(read_json(path))
    if name in SPACES:
        return name, SPACES[name]
    if name != NASB.name:
        known = ", ".join((*SPACES, NASB.name))
        raise InputError.of("space", name, f"must be one of {known}, or a file NAME.json")
    with blame_field():
        return name, nasb(values["backbone"] or "resnet20", values["width_multiplier"] or 1.0)
