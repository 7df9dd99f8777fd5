"""Tables of the results against the files of the trainings that they report."""

import csv
import io
import json
import re
import statistics
import tarfile

import pytest
from helpers import ROOT
from scipy.stats import kendalltau

RESULTS = ROOT / "docs" / "results"
# Network, trainings, five costs, validation and test accuracy.
ROW = re.compile(r"^\| (\w+) \| (\d) \| " + r"([\d,]+) \| " * 5 + r".*? \| ([\d.]+)%.* \|$", re.MULTILINE)


def trainings(archive):
    """The summaries of the trainings in an archive, by network, with the rows of their logs as "log"."""
    found = {}
    with tarfile.open(RESULTS / archive) as files:
        for name in sorted(files.getnames()):
            if match := re.search(r"networks/(\w+)_seed\d/summary.json$", name):
                log = files.extractfile(name.replace("summary.json", "train/log.csv"))
                found.setdefault(match[1], []).append(
                    json.load(files.extractfile(name)) | {"log": list(csv.DictReader(io.TextIOWrapper(log)))})
    return found


def mean_of_random(found, repeated):
    """Of random networks, as bin/compare takes it: the best one and a supernet's choice have more trainings than others
    (of which the first `repeated` have two), and these count for them alone."""
    return statistics.mean(
        100 * statistics.mean(run["test_accuracy"] for run in runs[:2 if int(name[len("random_"):]) < repeated else 1])
        for name, runs in found.items() if name.startswith("random"))


@pytest.mark.parametrize("page, archive, networks", [("cifar.md", "cifar_compare.tar.gz", 46),
                                                     ("fashion.md", "fashion_compare.tar.gz", 30)])
def test_every_row_is_what_was_measured(page, archive, networks):
    text, found = (RESULTS / page).read_text(), trainings(archive)
    rows = ROW.findall(text)
    assert len(rows) == len(found) == networks
    for name, count, *numbers, accuracy in rows:
        runs = found[name]
        cost = runs[0]["cost"]
        assert len(runs) == int(count)
        assert [int(number.replace(",", "")) for number in numbers] == [
            round(cost[measure]) for measure in ("bops", "flops", "ops", "size_bytes", "peak_bytes")], name
        assert float(accuracy) == pytest.approx(100 * statistics.mean(run["test_accuracy"] for run in runs), abs=0.006)
    mean = float(re.search(r"\| random, mean of \d+ \|.*?([\d.]+)% \([\d.% to]+\) \|$", text, re.MULTILINE)[1])
    assert mean == pytest.approx(mean_of_random(found, repeated=6), abs=0.01)


def test_the_readme_and_the_pages_agree():
    """The rows of README are means and bests of the archives."""
    readme = (ROOT / "README.md").read_text()
    for archive, label, repeated in (("cifar_compare.tar.gz", "CIFAR-10, 4 M", 6),
                                     ("fashion_compare.tar.gz", "Fashion-MNIST, the same", 6),
                                     ("fashion_1M_compare.tar.gz", "Fashion-MNIST, 1 M", 0)):
        row = next(line for line in readme.splitlines() if line.startswith(f"| {label}"))
        found = trainings(archive)
        means = {name: 100 * statistics.mean(run["test_accuracy"] for run in runs) for name, runs in found.items()}
        searched = statistics.mean(mean for name, mean in means.items() if re.match(r"(cifar|fashion)_", name))
        random = [name for name in means if name.startswith("random")]
        shown = [float(number) for number in re.findall(r"\d\d\.\d\d", row)]
        expected = [searched, means["quicknet"], mean_of_random(found, repeated), max(map(means.get, random))]
        if label.startswith("CIFAR"):  # a QuickNet that is not in the archive
            del shown[1], expected[1]
        assert shown == pytest.approx(expected, abs=0.011)


def test_how_early_a_training_tells_its_end():
    """The taus of `settings.md` between what a log says after an epoch and the test accuracy at the end."""
    page = (RESULTS / "settings.md").read_text()
    row_of_taus = re.compile(r"^\| (\d) " + r"\| (0\.\d\d) " * 4 + r"\|$", re.MULTILINE)
    rows = [list(map(float, row)) for row in row_of_taus.findall(page)]
    found = [[] for _ in rows]
    for archive in ("cifar_compare.tar.gz", "fashion_compare.tar.gz"):
        firsts = [runs[0] for name, runs in trainings(archive).items() if name.startswith("random")]
        ends = [run["test_accuracy"] for run in firsts]
        for taus, (epoch, *_) in zip(found, rows):
            for column, sign in (("val_accuracy", 1), ("loss", -1)):
                early = [sign * float(run["log"][int(epoch) - 1][column]) for run in firsts]
                taus.append(kendalltau(early, ends).statistic)
    assert len(rows) == 6
    for (_, *shown), taus in zip(rows, found):
        assert shown == pytest.approx(taus, abs=0.0051)
