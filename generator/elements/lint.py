# SPDX-License-Identifier: Apache-2.0
"""diskimage-builder's ``dib-lint`` on one element, with the places of what it finds."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from altostratus import process
from altostratus.yamlfile.problems import Mark, Problem
from generator.elements import checks
from generator.elements.element import Element

_ERROR = re.compile(r"ERROR: (.*)")
_LINE = re.compile(r"([0-9]+):")
# What other checks find, or what is about a directory of elements; dib-lint is given one element.
_OURS = re.compile(r"lacks a README|is not set -|is not executable|\.md docs found")


def program() -> str | None:
    """Return the path of dib-lint, which comes with diskimage-builder; None if it is not there."""
    return shutil.which("dib-lint", path=_search())


def check(element: Element, command: str) -> Iterator[Problem]:
    """Yield what dib-lint, the program ``command``, finds in ``element``."""
    # It splits at blanks, and asks python for tox.ini and flake8 for its settings where it runs.
    has_blank = bool(re.search(r"\s", str(element.folder)))
    where = "." if has_blank else str(element.folder)
    done = process.run(
        [command],
        env={"ELEMENTS_DIR": where, "LIB_DIR": where, "PATH": _search()},
        cwd=element.folder if has_blank else None,
        check=False,
    )
    lines = done.stdout.splitlines()
    for number, line in enumerate(lines):
        error = _ERROR.fullmatch(line)
        if not error or _OURS.search(line) or _is_without_flake8(line):
            continue
        after = _LINE.match(lines[number + 1]) if number + 1 < len(lines) else None
        path, message = _place(error[1], element)
        mark = Mark(str(path), int(after[1]) if after else 1, 1)
        hint = "'# dib-lint: disable=RULE' in a script switches a rule off; say why"
        yield checks.DIB_LINT.at(mark, message, hint)


def _search() -> str:
    # It needs python and flake8: those beside ours, as diskimage-builder itself.
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"


def _is_without_flake8(line: str) -> bool:
    return "failed flake8" in line and not shutil.which("flake8", path=_search())


def _place(message: str, element: Element) -> tuple[Path, str]:
    """Return the file that ``message`` names, and the message without it."""
    for path in reversed(element.files):
        for name in (str(path), f"./{element.relative(path)}"):
            if name in message:
                words = message.replace(name, "", 1).strip(" :")
                return path, re.sub(r"  +| (in|:)$", " ", words).strip()
    return element.folder, message
