"""The pages without running anything: sizes, links, the flags of every command, files that they show, the site."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest
from helpers import ROOT
from pages import PAGES, blocks, commands, name_of

from bars_tf.cli.command_line import parse
from bars_tf.cli.flags import PROGRAMS
from bars_tf.space.search_space import SearchSpace


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150 and len(text.encode()) <= 9000


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "changelog.md"], ids=name_of)
def test_programs_take_the_flags_of_every_command(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RUN").mkdir()
    (tmp_path / "RUN" / "config.flags").write_text("--flagfile=quickstart.flags\n")
    for text in blocks(page, "json"):
        (tmp_path / "mine.json").write_text(text)
    inline = re.findall(r"`(bin/\w+ --?\w+=[^`]*)`", page.read_text())
    for program, *arguments in (command for text in (*blocks(page, "sh"), *inline) for command in commands(text)):
        if program in PROGRAMS and "..." not in arguments:
            assert parse(program, [word for word in arguments if word != "--help"])
        assert (ROOT / "bin" / program).is_file()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_shown_can_be_read(page):
    for text in blocks(page, "json"):
        assert SearchSpace.from_dict(json.loads(text))


@pytest.mark.slow
def test_the_site_builds(tmp_path):
    """Every page is in the navigation, every link and anchor leads somewhere, every docstring of the API is found."""
    if not importlib.util.find_spec("mkdocs"):
        pytest.skip("mkdocs is not installed (extra docs)")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
                          cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "<math" in (tmp_path / "site" / "method.html").read_text()
