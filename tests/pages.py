"""The pages of the documentation: README.md and those of docs/, and the code in them."""

import re
import shlex
from pathlib import Path

from helpers import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """The calls of programs in a block of shell commands: the program and its arguments; of a loop the first round."""
    text = text.replace("\\\n", " ").replace("$seed", "0").replace("$tuner", "random")
    found = []
    for line in re.split(r"[;\n]", text):
        words = shlex.split(line, comments=True)
        start = next((i for i, word in enumerate(words) if word.startswith("bin/")), None)
        if start is not None:
            found.append([words[start].removeprefix("bin/"), *words[start + 1:]])
    return found
