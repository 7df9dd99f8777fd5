"""`bin/compare` without its trainings: searches whose supernets can score, and refused input."""

import pytest

from bars_tf.cli import command_line, compare, workdir
from bars_tf.errors import InputError

TINY = ("--flagfile=quickstart_compare.flags", "--init_channels=8", "--layout=NR", "--budget_bops=400k")


def parse(*flags):
    return command_line.parse("compare", [*TINY, *map(str, flags)])


def test_searches_whose_supernets_can_score(tmp_path, capsys):
    for name, flags in (("same", ()), ("space", ("--init_channels=4",)), ("data", ("--dataset=mnist",)), ("new", ())):
        config = command_line.parse("search", [*TINY, *flags, f"--workdir={tmp_path / name}"])
        workdir.write_flagfile(tmp_path / name / "config.flags", config, "search")
        if name != "new":
            (tmp_path / name / "candidates.json").write_text("{}")
    (tmp_path / "genotype.json").write_text("{}")
    paths = [tmp_path / name for name in ("same", "space", "data", "new", "genotype.json")]
    found = compare.finished_searches(parse(f"--genotypes={','.join(map(str, paths))}", "--data_dir=moved"))
    (load,) = found.values()
    (settings,) = load.args
    assert list(found) == [str(paths[0])] and settings.run.workdir == str(paths[0])
    assert settings.data.data_dir == "moved" and settings.search_space == parse().search_space
    printed = capsys.readouterr().err
    for words in ("space: its supernet will not score the random networks: the search was in another space",
                  "data: its supernet will not score the random networks: the search was on mnist",
                  "new: its supernet will not score the random networks: it has no candidates.json"):
        assert words in printed, printed


def test_other_settings_are_refused(tmp_path):
    (tmp_path / "networks").mkdir()
    workdir.keep(parse(f"--workdir={tmp_path}"), "compare")
    before = (tmp_path / "config.flags").read_bytes()
    with pytest.raises(InputError, match="no_such.json"):
        compare.main(parse(f"--workdir={tmp_path}", "--genotypes=no_such.json"))
    assert (tmp_path / "config.flags").read_bytes() == before  # the run that was there is still the one to resume
    for flag in ("--train_epochs=2", "--train_lr=0.5", "--budget_bops=500k"):
        with pytest.raises(InputError, match="belongs to another configuration"):
            compare.main(parse(f"--workdir={tmp_path}", flag))
    more = parse(f"--workdir={tmp_path}", "--num_random=9", "--references=none")
    assert workdir.differences(tmp_path / "config.flags", more, "compare") == []


@pytest.mark.parametrize("flags, words", [
    (["--num_random=0", "--references=none"], "--num_random=0: leaves nothing to compare with"),
    (["--budget_bops=1"], "--budget_bops=1: .*reaches from"),
    (["--references=vgg"], "--references=vgg: must be some of resnet, bireal, quicknet, bars_uniform"),
    (["--num_random=2", "--repeat_random=3"], "--repeat_random=3: must be at most --num_random=2"),
    (["--train_seeds=0"], "train_seeds"),
    (["--genotypes=a,a"], "different files")], ids=str)
def test_refused_flags(flags, words, tmp_path):
    with pytest.raises(InputError, match=words):
        compare.main(parse(f"--workdir={tmp_path}", *flags))


def test_settings_of_a_training(tmp_path):
    """All trainings have the same validation images, whatever their seed."""
    compare._keep_settings(parse(), tmp_path, 3)
    settings = command_line.parse("train", [f"--flagfile={tmp_path / 'config.flags'}"])
    assert (settings.run.seed, settings.data.split_seed, settings.run.workdir) == (3, 0, str(tmp_path))
    assert settings.values["genotype"] == str(tmp_path / "genotype.json") and settings.training == parse().training


def test_a_budget_is_needed(tmp_path):
    with pytest.raises(InputError, match="--budget_bops: .* is needed"):
        compare.main(command_line.parse("compare", [f"--workdir={tmp_path}"]))
