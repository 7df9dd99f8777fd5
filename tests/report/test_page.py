"""The report of a run: complete, partial, damaged, hostile."""

import json
import shlex
import shutil

import numpy as np
import pytest
from helpers import refused

from bars_tf.cli import command_line
from bars_tf.cost.measures import UNITS
from bars_tf.files import write_json
from bars_tf.report import charts, figures, listing, page
from bars_tf.report import run as runs
from bars_tf.space import presets
from bars_tf.space.encoding import Choices, genotype_of

pytestmark = pytest.mark.usefixtures("placeholders")


def test_the_page_is_complete_and_asks_for_nothing(run, parse_page):
    found = parse_page(page.write(run))
    assert found.tags.count("script") == 0 and found.addresses and all(
        address.startswith("data:image/png;base64,") for address in found.addresses)
    assert all(image["alt"] and int(image["width"]) > 0 for image in found.images)
    for section, (title, _) in page.SECTIONS.items():
        assert title in found.text, section
    for words in ("94.00% of 32 images", "of 1,000,000", "1 min 1 s", "bin/train --flagfile=", "viewport"):
        assert words in found.text + (run / page.PAGE).read_text()
    assert len(found.images) == len(list((run / page.FIGURES).glob("*.png"))) >= 15


def commands_of(run):
    return {purpose: shlex.split(command) for purpose, command in page.commands(runs.read(run))}


def test_commands_name_the_program_and_the_network_that_is_there(run, monkeypatch):
    (run / "model.h5").touch()
    (run / "summary.json").unlink()
    mine, original = f"--genotype={run / 'genotype.json'}", f"--genotype={run / 'original.json'}"
    flagfile = f"--flagfile={run / 'config.flags'}"
    found = commands_of(run)
    assert found["Resume it:"] == ["bin/search", flagfile, f"--workdir={run}"]
    assert found["Train the network again:"][:3] == ["bin/train", flagfile, mine]
    settings = (run / "config.flags").read_text()
    for more, program in ((f"{original}\n", "train"), (f"{original}\n--what=training\n", "tune")):
        (run / "config.flags").write_text(settings.replace("bin/search", f"bin/{program}") + more)
        (run / "tuned.flags").write_text("--train_lr=0.25\n")
        found = commands_of(run)
        assert found["Resume it:"][0] == found["Repeat it:"][0] == f"bin/{program}"
        again = found["Repeat it:" if program == "train" else "Train the network again:"]
        monkeypatch.chdir("/")
        config = command_line.parse("train", again[1:])
        assert config.values["genotype"] == str(run / "genotype.json")  # not that which it began with
        assert program == "train" or config.training.train_lr == 0.25
    (run / "config.flags").write_text(settings.replace("bin/search", "bin/train") + "--network=resnet\n")
    assert command_line.parse("train", commands_of(run)["Repeat it:"][1:]).values["network"] == "resnet"
    (run / "genotype.json").unlink()
    assert commands_of(run)["Repeat it:"][:2] == ["bin/train", flagfile]
    assert not {"Train the network again:", "Export it for devices:"} & set(commands_of(run))


def test_commands_when_the_file_of_the_space_has_moved(run):
    write_json(run / "space.json", presets.BARS.to_dict())
    with (run / "config.flags").open("a") as file:
        file.write("--space=/nowhere/own.json\n")
    found = commands_of(run)
    for purpose, program in (("Repeat it:", "search"), ("Train the network again:", "train")):
        assert command_line.parse(program, found[purpose][1:]).values["space"] == str(run / "space.json")


def test_the_page_and_that_of_the_runs_link_each_other(run, parse_page, placeholders):
    runs_page = run.parent / "runs.html"
    assert "../runs.html" not in parse_page(page.write(run)).addresses
    assert commands_of(run)["Compare it with the runs beside it:"][1:] == [str(run.parent), f"--page={runs_page}"]
    listing.write_page(runs_page, listing.find(run.parent), run.parent)
    assert f"{run.name}/report.html" in parse_page(runs_page).addresses
    assert "../runs.html" in parse_page(page.write(run)).addresses


def test_a_float_twin_costs_what_it_is(run, parse_page):
    values, cost = json.loads((run / "summary.json").read_text()), runs.read(run).costs[-1][1].as_float()
    write_json(run / "summary.json", {**values, "precision": "float", "cost": cost.to_dict()})
    found = runs.read(run)
    assert found.budget == {}  # which is of binary networks
    assert ("BOPs", "0") in page.facts(found)
    units = {name: unit for name, unit in UNITS.items() if name != "latency_us"}  # of no device
    numbers = " ".join(f"{cost.to_dict()[name]:,.0f}" for name in units)
    assert all(words in parse_page(page.write(run)).text for words in (
        "Float twin of a network", " ".join(units.values()), f"all {numbers}", "all are float here"))


def test_names_of_classes_are_text(run, parse_page):
    found = parse_page(page.write(run))
    for name in json.loads((run / "confusion.json").read_text())["class_names"]:
        assert name in found.text, name
    assert "script" not in found.tags and "O'Brien \"&\" Söhne (2)" in found.text


@pytest.mark.parametrize("missing", [
    ["summary.json", "confusion.json", "train", "genotype.json", "candidates.json"],
    ["summary.json", "confusion.json", "train", "genotype.json", "candidates.json", "search"],
    ["search/trajectory.jsonl", "confusion.json"],
    ["config.flags", "search", "candidates.json"],
])
def test_the_files_that_there_are_are_shown(run, missing, parse_page):
    """A run that is stopped at any stage, one of an older version, and one of `bin/train`."""
    for name in missing:
        shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink()
    found = parse_page(page.write(run))
    assert "could not be read" not in found.text
    assert ("not finished" in found.text) == ("summary.json" in missing)
    assert (page.SECTIONS["choices"][0] in found.text) == ("search" not in missing)


@pytest.mark.parametrize("name, text", [
    ("summary.json", "{"), ("summary.json", "[]"), ("summary.json", '{"cost": 3, "test_accuracy": "x", "budget": []}'),
    *(("summary.json", text) for text in ('{"budget": {"ops": "600000"}}', '{"budget": {"ops": 0}}',
                                          '{"test_accuracy": 0.5, "test_images": null}', '{"search_seconds": NaN}')),
    ("genotype.json", '{"format": "x"}'), ("candidates.json", '{"candidates": [{"accuracy": NaN, "cost": {}}]}'),
    ("candidates.json", '{"candidates": [{"accuracy": 1, "cost": {}}]}'), ("search/log.csv", "\0,\n"),
    *(("search/log.csv", text) for text in ("epoch,accuracy\nx,y\n", "epoch\n" + "1" * 200_000, "a\rb,c\n\r1")),
    ("search/trajectory.jsonl", '{"epoch": 1}\n'),
    ("search/trajectory.jsonl", '{"epoch": 1, "widths": [1], "depths": 2, "edges": "x"}\n{'),
    ("confusion.json", '{"class_names": ["a"], "counts": [[1, 2]]}'), ("config.flags", "no flag\n"),
])
def test_damaged_files_cost_their_own_part_alone(run, name, text):
    (run / name).write_text(text)
    problems = []
    found = runs.read(run)
    shown = {section for section, *_ in page._rendered(found, problems)}
    assert len(shown) >= len(page.SECTIONS) - 3 and page.facts(found) and page.commands(found)


def test_damaged_files_are_named(run, parse_page):
    for path in [*run.glob("*.json"), *run.glob("search/*")]:
        path.write_text("<b>{")
    found = parse_page(page.write(run))
    for name in ("summary.json: not JSON", "genotype.json: not JSON", "trajectory.jsonl"):
        assert f"could not be read or drawn: {name}" in found.text or name in found.text
    assert "b" not in found.tags and len(found.images) == 2  # those of the training


def test_a_figure_that_fails_is_a_problem_of_its_own(run, parse_page, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(charts, "matrix", fail)
    found = parse_page(page.write(run))
    assert "figures of the confusion (RuntimeError: no fonts)" in found.text and len(found.images) >= 14


def test_cells_of_one_node_are_described(run, parse_page):
    space = presets.BARS.replace(layout="NNRN", primitives=("none", "bin_conv_1x1", "bin_conv_5x5"))
    genotype = genotype_of(space, Choices(np.array([0, 1]), np.array([1, 1]), np.array([[1], [0], [2], [1]])))
    genotype.save(run / "genotype.json", (28, 28, 1), 10)
    alts = [image["alt"] for image in parse_page(page.write(run)).images]
    assert any("normal_0: 1=bin_conv_1x1(0)" in alt and "reduction: 1=bin_conv_5x5(0)" in alt for alt in alts)


def test_every_section_of_a_figure_is_on_the_page(run):
    shown = {section: list(kind(runs.read(run))) for section, kind in figures.KINDS_OF_FIGURES.items()}
    assert list(shown) == list(page.SECTIONS) and all(shown.values())
    names = [figure.name for found in shown.values() for figure in found]
    assert len(set(names)) == len(names)


@pytest.mark.slow
def test_the_program(run, program, program_here, tmp_path):
    # The backend that a notebook chooses for all its processes, which is not installed here.
    done = program("report", f"--workdir={run}", MPLBACKEND="module://matplotlib_inline.backend_inline")
    assert done.returncode == 0 and "report.html" in done.stdout, done.stderr
    assert 1e5 < (run / page.PAGE).stat().st_size < 1e6
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (run / page.FIGURES).iterdir())
    refused(program_here("report", f"--workdir={tmp_path / 'none'}"), ["--workdir", "no such directory"])
    refused(program_here("report", f"--workdir={tmp_path}"), ["--workdir", "no run", "summary.json"])
    refused(program_here("report"), ["--workdir", "bin/report --workdir=runs/NAME"])
