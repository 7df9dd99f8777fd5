"""The report of a run: whole, partial, damaged, hostile. The page is read by a parser, as a browser would."""

import fcntl
import html.parser
import json
import shlex
import shutil

import numpy as np
import pytest
from test_programs import refused

from bars_tf.cli import command_line
from bars_tf.cost import tables as complexity
from bars_tf.cost.tables import Budget
from bars_tf.files import write_json
from bars_tf.report import page as report
from bars_tf.report import run as run_files
from bars_tf.report.closing_table import UNITS
from bars_tf.search.derivation.candidates import candidates
from bars_tf.space.encoding import Choices, depth_grid, genotype_of
from bars_tf.space.presets import BARS, BARS_SMALL

NAMES = ["<script>alert(1)</script>", "O'Brien \"&\" Söhne", "日本語 $x_1$", "T-shirt/top"]
SPACE = BARS_SMALL.replace(num_nodes=2, layout="NNRN")
SHAPE = (28, 28, 1)


class Page(html.parser.HTMLParser):
    """Elements, text and images of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.words, self.images, self.addresses = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        self.addresses += [values[k] for k in ("src", "href", "action", "data", "srcset") if k in values]
        if tag == "img":
            self.images.append(values)

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def run(tmp_path, rng):
    """A finished run's files, as the programs write them."""
    directory = tmp_path / "work"
    (directory / "search").mkdir(parents=True)
    (directory / "train").mkdir()
    (directory / "config.flags").write_text("--space=bars_small\n--num_nodes=2\n--layout=NNRN\n--budget_ops=1M\n"
                                            "--search_epochs=3\n--warmup_epochs=1\n--train_epochs=2\n")
    tables = complexity.cost_tables(SPACE, SHAPE, len(NAMES))
    budget = Budget(ops=1e6)
    depths = depth_grid(SPACE)
    alphas = Choices(rng.normal(size=(2, 4)), np.where(depths < 0, -1e9, rng.normal(size=depths.shape)),
                           rng.normal(size=(len(SPACE.groups), 3, 3)))
    found = candidates(alphas, tables, budget, 3, seed=0)
    found[0].genotype.save(directory / "genotype.json", SHAPE, len(NAMES))
    write_json(directory / "candidates.json", {"candidates": [
        {"origin": c.origin, "accuracy": 0.5 - 0.01 * i, "cost": c.cost.to_dict()} for i, c in enumerate(found)]})
    (directory / "search" / "log.csv").write_text(
        "epoch,loss,accuracy,arch_accuracy,expected_ops,derived_ops,none_share,skip_share,bin_conv_3x3_share,"
        "micro_entropy,temperature\n1,2,0.3,,4e5,5e5,0.3,0.3,0.4,1,1\n2,1,0.5,0.4,6e5,7e5,0.2,0.2,0.6,0.5,0.5\n")
    probabilities = [np.exp(a) / np.exp(a).sum(-1, keepdims=True) for a in alphas]
    (directory / "search" / "trajectory.jsonl").write_text("".join(
        json.dumps({"epoch": epoch, **{name: p.tolist() for name, p in zip(alphas._fields, probabilities)}}) + "\n"
        for epoch in (1, 2)))
    (directory / "train" / "log.csv").write_text("epoch,loss,accuracy,val_loss,val_accuracy\n1,2,0.3,2,0.35\n")
    write_json(directory / "confusion.json", {"class_names": NAMES, "counts": np.diag([9, 8, 7, 6]).tolist()[:3] + [
        [0, 2, 0, 6]]})
    write_json(directory / "summary.json", {
        "space": "bars_small", "dataset": "own", "seed": 0, "budget": {"ops": 1e6}, "cost": found[0].cost.to_dict(),
        "test_accuracy": 0.94, "test_images": 32, "search_seconds": 61.0, "versions": {"python": "3"}})
    return directory


def test_the_page_is_whole_and_asks_for_nothing(run):
    page = Page(report.write(run))
    assert page.tags.count("script") == 0 and page.addresses and all(
        address.startswith("data:image/png;base64,") for address in page.addresses)
    assert all(image["alt"] and int(image["width"]) > 0 for image in page.images)
    for section, (title, _) in report.SECTIONS.items():
        assert title in page.text, section
    for words in ("94.00% of 32 images", "of 1,000,000", "1 min 1 s", "bin/train --flagfile=", "viewport"):
        assert words in page.text + (run / report.PAGE).read_text()
    assert len(page.images) == len(list((run / report.PICTURES).glob("*.png"))) >= 15
    assert (run / report.PAGE).stat().st_size < 3e6


def commands_of(run):
    return {words: shlex.split(command) for words, command in report.commands(run_files.read(run))}


def test_commands_name_the_program_and_the_network_that_is_there(run, monkeypatch):
    (run / "model.h5").touch()
    (run / "summary.json").unlink()
    mine, original = f"--genotype={run / 'genotype.json'}", f"--genotype={run / 'original.json'}"
    flagfile = f"--flagfile={run / 'config.flags'}"
    found = commands_of(run)
    assert found["Go on:"] == ["bin/search", flagfile, f"--workdir={run}"]
    assert found["Train the network again:"][:3] == ["bin/train", flagfile, mine]
    settings = (run / "config.flags").read_text()
    for more, program in ((f"{original}\n", "train"), (f"{original}\n--what=training\n", "tune")):
        (run / "config.flags").write_text(settings + more)
        (run / "tuned.flags").write_text("--train_lr=0.25\n")
        found = commands_of(run)
        assert found["Go on:"][0] == found["Repeat it:"][0] == f"bin/{program}"
        again = found["Repeat it:" if program == "train" else "Train the network again:"]
        monkeypatch.chdir("/")
        config = command_line.parse("train", again[1:])
        assert config.genotype == str(run / "genotype.json")  # not that which it began with
        assert program == "train" or config.train_lr == 0.25
    (run / "config.flags").write_text(f"{settings}--network=resnet\n--budget_ops=1M\n")
    assert command_line.parse("train", commands_of(run)["Repeat it:"][1:]).network == "resnet"
    (run / "genotype.json").unlink()
    assert commands_of(run)["Repeat it:"][:2] == ["bin/train", flagfile]
    assert not {"Train the network again:", "Export it for devices:"} & set(commands_of(run))


def test_commands_when_the_file_of_the_space_has_moved(run):
    write_json(run / "space.json", BARS.to_dict())
    with (run / "config.flags").open("a") as file:
        file.write("--space=/nowhere/own.json\n")
    found = commands_of(run)
    for words, program in (("Repeat it:", "search"), ("Train the network again:", "train")):
        assert command_line.parse(program, found[words][1:]).space == str(run / "space.json")


def test_a_float_twin_costs_what_it_is(run):
    values = json.loads((run / "summary.json").read_text())
    genotype = run_files.read(run).genotype
    tables = complexity.cost_tables(genotype.space, SHAPE, len(NAMES))
    cost = complexity.cost(genotype, tables).as_float()
    write_json(run / "summary.json", {**values, "precision": "float", "cost": cost.to_dict()})
    found = run_files.read(run)
    assert found.budget == {}  # which is of binary networks
    assert "Float twin" in report.title(found) and ("BOPs", "0") in report.facts(found)
    name, numbers = report.parts(found)[-1]
    assert name == "all" and [number for _, number in numbers] == [f"{value:,.0f}" for value in cost.to_dict().values()]
    assert all(word in Page(report.write(run)).text for word in (UNITS["peak_bytes"], "all are float here"))


def test_names_of_classes_are_text(run):
    page = Page(report.write(run))
    for name in NAMES:
        assert name in page.text, name
    assert "script" not in page.tags and "O'Brien \"&\" Söhne (2)" in page.text


@pytest.mark.parametrize("missing", [
    ["summary.json", "confusion.json", "train", "genotype.json", "candidates.json"],
    ["summary.json", "confusion.json", "train", "genotype.json", "candidates.json", "search"],
    ["search/trajectory.jsonl", "confusion.json"],
    ["config.flags", "search", "candidates.json"],
])
def test_what_there_is_is_shown(run, missing):
    """A run that is stopped at any stage, one of an older version, and one of `bin/train`."""
    for name in missing:
        shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink()
    page = Page(report.write(run))
    assert "could not be read" not in page.text
    assert ("not finished" in page.text) == ("summary.json" in missing)


def test_a_finished_run_that_trains_on_is_not_finished(run):
    epochs = run_files.read(run).config.train_epochs
    values = json.loads((run / "summary.json").read_text())
    for trained, state in ((epochs, run_files.FINISHED), (epochs - 1, run_files.STOPPED)):
        write_json(run / "summary.json", {**values, "train_epochs": trained})
        assert run_files.read(run).state == state


def test_a_run_that_goes_on_is_told_from_one_that_stopped(run):
    (run / "summary.json").unlink()
    assert run_files.read(run).state == run_files.STOPPED
    with (run / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run_files.read(run).state == run_files.RUNNING


@pytest.mark.parametrize("name, text", [
    ("summary.json", "{"), ("summary.json", "[]"), ("summary.json", '{"cost": 3, "test_accuracy": "x", "budget": []}'),
    *(("summary.json", text) for text in ('{"budget": {"ops": "600000"}}', '{"budget": {"ops": 0}}',
                                          '{"test_accuracy": 0.5, "test_images": null}', '{"search_seconds": NaN}')),
    ("genotype.json", '{"format": "x"}'), ("candidates.json", '{"candidates": [{"accuracy": NaN, "cost": {}}]}'),
    ("candidates.json", '{"candidates": [{"accuracy": 1, "cost": {}}]}'), ("search/log.csv", "\0,\n"),
    ("search/log.csv", "epoch,accuracy\nx,y\n"), ("search/trajectory.jsonl", '{"epoch": 1}\n'),
    ("search/trajectory.jsonl", '{"epoch": 1, "widths": [1], "depths": 2, "edges": "x"}\n{'),
    ("confusion.json", '{"class_names": ["a"], "counts": [[1, 2]]}'), ("config.flags", "--no_such_flag=1\n"),
])
def test_damaged_files_cost_their_own_part_alone(run, name, text):
    (run / name).write_text(text)
    problems = []
    found = run_files.read(run)
    shown = {picture.section for picture in report._pictures(found, problems)}
    assert len(shown) >= len(report.SECTIONS) - 3 and report.facts(found) and report.commands(found)


def test_damaged_files_are_named(run):
    for path in [*run.glob("*.json"), *run.glob("search/*")]:
        path.write_text("<b>{")
    page = Page(report.write(run))
    for name in ("summary.json: not JSON", "genotype.json: not JSON", "trajectory.jsonl"):
        assert f"could not be read: {name}" in page.text or name in page.text
    assert "b" not in page.tags and len(page.images) == 2  # those of the training


def test_programs(run, program, tmp_path):
    done = program("report", f"--workdir={run}")
    assert done.returncode == 0 and "report.html" in done.stdout, done.stderr
    refused(program("report", f"--workdir={tmp_path / 'none'}"), ["--workdir", "no such directory"])
    refused(program("report", f"--workdir={tmp_path}"), ["--workdir", "no run", "summary.json"])
    refused(program("report"), ["--workdir", "bin/report --workdir=runs/NAME"])


def test_a_genotype_in_a_notebook(run):
    genotype = run_files.read(run).genotype
    assert len(genotype.plot().axes) >= 1
    shown = genotype._repr_html_()
    assert shown.count("<img") == 1 and "stage 0: width" in shown


def of_one_node():
    space = BARS.replace(layout="NNRN", primitives=("none", "bin_conv_1x1", "bin_conv_5x5"))
    return genotype_of(space, Choices([0, 1], [1, 1], np.array([[1], [0], [2], [1]])))


def test_a_picture_of_cells_of_one_node_names_their_primitives():
    shown = [text.get_text() for text in of_one_node().plot().axes[0].texts]
    assert [text for text in shown if not text.startswith("stage")] == ["conv 1x1", "left\nout", "conv 5x5\nstride 2",
                                                                        "conv 1x1"]


def test_the_words_of_that_picture_name_them_too(run):
    of_one_node().save(run / "genotype.json", SHAPE, 10)
    alts = [image["alt"] for image in Page(report.write(run)).images]
    assert any("normal_0: 1=bin_conv_1x1(0)" in alt and "reduction: 1=bin_conv_5x5(0)" in alt for alt in alts)


@pytest.fixture
def several(run, tmp_path):
    """Runs below a directory: one finished, one stopped whose name is hostile, one damaged; and what is no run."""
    other = tmp_path / "more" / "<b>x\x1b[2J"
    shutil.copytree(run, other)
    (other / "summary.json").unlink()
    damaged = tmp_path / "more" / "damaged"
    shutil.copytree(run, damaged)
    (damaged / "summary.json").write_text('{"dataset": "<i>", "test_accuracy": 0.5, "cost": {"ops": "x"}}')
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_runs_below_a_directory(several, program):
    done = program("runs", several, "--sort=-test_accuracy", "--json", f"--page={several / 'page.html'}")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["state"] for row in rows].count("stopped") == 1 and len(rows) == 3
    assert rows[0]["run"] == "work" and rows[0]["test_accuracy"] == 0.94 and rows[0]["budget"] == {"ops": 1e6}
    assert rows[1]["test_accuracy"] is None
    page = Page(several / "page.html")
    assert "<b>x" in page.text and "b" not in page.tags and "94.00%" in page.text and page.images
    table = program("runs", several, cwd="/")
    assert "\x1b" not in table.stdout and "<b>x?[2J" in table.stdout and "94.00%" in table.stdout


def test_bad_listings_get_one_line(tmp_path, program):
    refused(program("runs", tmp_path), ["--directory", "no run"])
    refused(program("runs", tmp_path / "none"), ["--directory", "No such file"])
    refused(program("runs", "a", "b"), ["b: unexpected"])


def test_unknown_column(several, program):
    refused(program("runs", several, "--sort=speed"), ["--sort=speed", "test_accuracy"])
