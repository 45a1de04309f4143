# SPDX-License-Identifier: Apache-2.0
"""What the pages of the documentation say, in pieces that a test can try."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
PAGES = (
    *(TOP / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((TOP / "docs").rglob("*.md")),
    TOP / "novadrivers/README.md",
)
# Languages of fenced blocks that hold no commands.
_DATA = ("json", "yaml", "mermaid", "toml", "ini", "python")
_FENCE = re.compile(r"\s*```\s*(\S*)")
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_PUNCTUATION = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Piece:
    """A piece of a page: its line number (from 1) and text."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Return the place and the text, as messages of tests show it."""
        return f"{self.page.relative_to(TOP)}:{self.line}: {self.text}"


def commands(page: Path) -> Iterator[Piece]:
    """Yield the lines of fenced and indented blocks; those that end in a backslash are joined."""
    text, start = "", 0
    for number, line in _block_lines(page):
        text, start = (text + line.strip(), start) if text else (line.strip(), number)
        if text.endswith("\\"):
            text = text[:-1]
            continue
        yield Piece(page, start, text.removeprefix("$ "))
        text = ""


def words(command: Piece) -> list[str]:
    """Return the words of a command line as a shell takes them.

    Without variables that are set before it, and without where its output goes.
    """
    try:
        split = shlex.split(command.text, comments=True)
        split = split[: split.index(">")] if ">" in split else split
    except ValueError:
        return []
    while split and re.match(r"[A-Z_]+=", split[0]):
        del split[0]
    return split


def code(page: Path) -> Iterator[Piece]:
    """Yield what is in backticks within paragraphs and tables."""
    for number, line in _prose(page):
        for match in _CODE.finditer(line):
            yield Piece(page, number, match[1].replace("\\|", "|"))


def links(page: Path) -> Iterator[Piece]:
    """Yield the targets of links, addresses of other hosts excepted."""
    for number, line in _prose(page):
        for match in _LINK.finditer(line):
            if "://" not in match[1]:
                yield Piece(page, number, match[1])


def anchors(page: Path) -> set[str]:
    """Return the fragments of the page's headings, as GitHub and OpenDev make them."""
    headings = [line.lstrip("# ") for _, line in _prose(page) if line.startswith("#")]
    return {_PUNCTUATION.sub("", one.lower()).replace(" ", "-") for one in headings}


def _lines(page: Path) -> Iterator[tuple[int, str, str | None]]:
    """Yield number, text and language of each line; None outside of fenced blocks."""
    language: str | None = None
    text = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), page.read_text(encoding="utf-8"))
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if fence:
            language = fence[1] if language is None else None
        else:
            yield number, line, language


def _block_lines(page: Path) -> Iterator[tuple[int, str]]:
    for number, line, language in _lines(page):
        if line.startswith("    ") if language is None else language not in _DATA:
            yield number, line


def _prose(page: Path) -> Iterator[tuple[int, str]]:
    for number, line, language in _lines(page):
        if language is None and not line.startswith("    "):
            yield number, line
