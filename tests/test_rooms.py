"""The rooms of the package: no circles of imports, no long chains, no long modules. `bin/test` checks the contracts."""

import functools
from pathlib import Path

import grimp
import pytest
from helpers import ROOT

# One-line methods with a late import, for notebooks (see the contracts in setup.cfg).
LATE = {("bars_tf.space.genotype", "bars_tf.report.drawing"),
        ("bars_tf.search.supernet.supernet", "bars_tf.search.ranking")}
LONGEST_CHAIN, MOST_LINES = 14, 250


@pytest.fixture(scope="module")
def imports():
    """The modules that each module imports, under TYPE_CHECKING and within functions too."""
    graph = grimp.build_graph("bars_tf", exclude_type_checking_imports=False, cache_dir=None)
    return {module: {other for other in graph.find_modules_directly_imported_by(module) if (module, other) not in LATE}
            for module in graph.modules}


def test_no_circles_and_no_long_chains(imports):
    @functools.cache
    def chain(module):
        assert module not in open_modules, f"a circle: {' > '.join([*open_modules, module])}"
        open_modules.append(module)
        longest = max((chain(other) for other in imports[module]), key=len, default=())
        open_modules.pop()
        return (module, *longest)

    open_modules: list[str] = []
    longest = max(map(chain, imports), key=len)
    assert len(longest) <= LONGEST_CHAIN, " > ".join(longest)


def test_modules_stay_short():
    lines = {path: len(path.read_text().splitlines()) for path in Path(ROOT, "bars_tf").rglob("*.py")}
    long = {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > MOST_LINES}
    assert set(long) <= {"bars_tf/cli/flags.py"}, long


def test_the_listing_shows_ten_rooms():
    folder = ROOT / "bars_tf"
    assert {path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"} == {
        "cli", "compare", "cost", "data", "export", "network", "report", "search", "space", "training"}
    assert len(list(folder.glob("*.py"))) <= 8
