# SPDX-License-Identifier: Apache-2.0
"""The metadata keys that the templates and scripts of an element use."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from altostratus.yamlfile.problems import Mark, Problem
from generator.elements import checks
from generator.elements.scripts import read

_TAG = re.compile(
    r"\{\{\{\s*(?P<raw>[^{}]+?)\s*\}\}\}|\{\{(?P<sign>[#^/!>&]?)\s*(?P<name>[^{}]+?)\s*\}\}"
)
_SCRIPT_KEY = re.compile(
    r"""(?:(?<![\w./$-])metadata(?:_json)?\s+|os-apply-config\s[^\n]*--key\s+)["']?"""
    r"([a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+)"
)


@dataclass(frozen=True)
class Use:
    """The place where a template or script uses a key."""

    mark: Mark
    key: str


@dataclass(frozen=True)
class _Section:
    name: str
    is_list: bool
    mark: Mark


def is_template(path: Path) -> bool:
    """Return whether the file ``path`` below ``os-apply-config/`` is a mustache template.

    An executable one computes its output from JSON; ``.oac`` sets mode and owner of another file.
    """
    return path.suffix != ".oac" and not os.access(path, os.X_OK)


def of_script(path: Path) -> Iterator[Use]:
    """Yield the keys that the script ``path`` reads by refresh.sh or os-apply-config."""
    for number, line in enumerate((read(path) or "").splitlines(), 1):
        if not line.lstrip().startswith("#"):
            for match in _SCRIPT_KEY.finditer(line):
                yield Use(Mark(str(path), number, match.start(1) + 1), match[1])


def of_template(text: str, name: str, keys: Mapping[str, bool]) -> Iterator[Use | Problem]:
    """Yield every tag of the template ``text`` that reads the metadata, and wrong sections.

    ``keys`` says which keys are lists or mappings: within a section of one, a name without a dot is
    that of an item's field.
    """
    sections: list[_Section] = []
    for match in _TAG.finditer(text):
        sign, word = match["sign"] or "", match["raw"] or match["name"]
        if sign in ("!", ">"):
            continue
        mark = _place(text, match.start(), name)
        if sign == "/":
            if not sections or sections[-1].name != word:
                message = f"{{{{/{word}}}}} closes nothing"
                yield checks.SECTION.at(mark, message, f"open it before: {{{{#{word}}}}}")
            else:
                sections.pop()
            continue
        inside_list = any(section.is_list for section in sections)
        if word != "." and (not inside_list or "." in word):
            yield Use(mark, word)
        if sign in ("#", "^"):
            is_list = sign == "#" and (inside_list or keys.get(word, False))
            sections.append(_Section(word, is_list, mark))
    for section in sections:
        message = f"{{{{#{section.name}}}}} is not closed"
        yield checks.SECTION.at(section.mark, message, f"write {{{{/{section.name}}}}}")


def _place(text: str, offset: int, name: str) -> Mark:
    line = text.count("\n", 0, offset) + 1
    return Mark(name, line, offset - text.rfind("\n", 0, offset))
