"""Settings of a program: the defaults of flags, and the space and the budget that flags ask for."""

import json

import pytest

from bars_tf.cli.command_line import parse
from bars_tf.cli.flags import ALL, PROGRAMS
from bars_tf.cli.settings import DEFAULTS, Settings
from bars_tf.errors import InputError
from bars_tf.space.fields import SAMPLING
from bars_tf.space.presets import BARS


def test_every_setting_has_a_flag_with_a_right_default():
    config = Settings.of()
    assert set(ALL) == set(DEFAULTS)
    assert set(ALL) == set().union(*(program.flags for program in PROGRAMS.values()))
    assert parse("search", []) == config
    for name, flag in ALL.items():
        value = config.values[name]
        if isinstance(value, (str, int, float)):
            assert flag.parse(str(value).lower() if isinstance(value, bool) else str(value)) == value, name
    for sampling in SAMPLING:
        assert parse("search", [f"--sampling={sampling}"]).search.sampling == sampling


def test_space_and_budget():
    config = parse("search", ["--init_channels=8", "--width_choices=0.5,1", "--depth_choices=0,2", "--budget_bops=2M"])
    assert config.search_space == BARS.replace(init_channels=8, width_choices=(0.5, 1.0), depth_choices=(0, 2))
    assert config.space_overrides == {"init_channels": 8, "width_choices": (0.5, 1.0), "depth_choices": (0, 2)}
    assert config.limits.limits() == {"bops": 2e6}
    assert parse("search", ["--budget_params=200k", "--budget_size=40k", "--budget_peak=80k"]).limits.limits() == {
        "params": 200e3, "size_bytes": 40e3, "peak_bytes": 80e3}
    config = parse("search", ["--budget_latency=12ms", "--device=rpi4b", "--budget_elementwise=2M"])
    assert config.limits.limits() == {"elementwise_ops": 2e6, "latency_us": 12e3}
    assert config.limits.device.name == "rpi4b"
    assert parse("search", ["--budgets=latency:8ms,12ms", "--device=pixel1"]).values["budgets"].limits == (8e3, 12e3)
    # The named space and an override may disagree on a field that was not given.
    with pytest.raises(InputError, match="--width_choices=0.25,0.3125,0.375,0.5,0.5625,0.75,1: .*change init_channels"):
        parse("search", ["--init_channels=6"])


def test_the_home_directory_in_paths(tmp_path, monkeypatch):
    """Shells leave it as it is behind "=", and so do flagfiles."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse("search", ["--workdir=~/run", "--data_dir=~/data"]).run.workdir == f"{tmp_path}/run"
    (tmp_path / "own.json").write_text(json.dumps(BARS.to_dict()))
    config = parse("train", ["--space=~/own.json", "--genotype=~/found.json", "--data_dir=~/data"])
    assert (config.values["space"], config.values["genotype"]) == (f"{tmp_path}/own.json", f"{tmp_path}/found.json")
    assert config.data.data_dir == f"{tmp_path}/data"


def test_finals_are_usual_but_where_they_cannot_be():
    def finals(*arguments):
        search = parse("search", ["--space=bars_small", "--budget_ops=1M", *arguments]).search
        return search.num_finalists, search.finalist_epochs

    assert finals("--train_epochs=12") == (4, 5) and finals("--train_epochs=1") == (4, 1)
    assert finals("--num_finalists=2", "--finalist_epochs=3") == (2, 3)
    for other in ("--pretrain_epochs=1", "--teacher=twin"):
        assert finals(other)[0] == 0
        with pytest.raises(InputError, match="--num_finalists=4: .*leave out"):
            finals(other, "--num_finalists=4")
    assert parse("search", ["--space=bars_small", "--budgets=400k,600k"]).search.num_finalists == 0
