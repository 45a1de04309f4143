# SPDX-License-Identifier: Apache-2.0
"""The tutorial of the documentation as data: the files it writes, the commands it runs."""

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parents[1]
PAGE = TOP / "docs/tutorial-own-service.md"
# A file is a block below a line with its path alone; other blocks of the language sh are commands.
_BLOCK = re.compile(r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# These need root and a machine of their own.
_ROOT = ("build-images", "devtest")


def files() -> dict[str, str]:
    """Return the text of every file of the page by its path."""
    return {path: text for path, _, text in _blocks() if path}


def commands(*, root: bool) -> list[str]:
    """Return the commands of the page in order: those that need root, or the other ones."""
    lines = [
        line
        for path, language, text in _blocks()
        if language == "sh" and not path
        for line in text.splitlines()
    ]
    return [line for line in lines if line.startswith(_ROOT) == root]


def write(directory: Path) -> None:
    """Write every file of the page below ``directory``."""
    for name, text in files().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _blocks() -> Iterator[tuple[str, str, str]]:
    for match in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        yield match[1] or "", match[2], match[3]


def programs(directory: Path) -> str:
    """Make the commands of this checkout in ``directory``; return the PATH that has them first."""
    directory.mkdir(parents=True)
    entries = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["scripts"]
    for name, entry in entries.items():
        module, _, main = entry.partition(":")
        code = f"import sys; from {module} import {main}; sys.exit({main}())"
        (directory / name).write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
        (directory / name).chmod(0o755)
    # dib-lint is beside Python.
    return os.pathsep.join([str(directory), str(Path(sys.executable).parent), os.environ["PATH"]])
