# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a file of the user's, where exactly, and what to do about it.

Every problem is found by a Check, whose id ends its message. ``docs/checks.md`` lists them.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from altostratus.errors import InputError, printable

# More names than this are no help to the reader.
_LISTED = 24
# A message or a hint with more characters than this has a value that is no use to the reader.
_LENGTH = 600
# More problems than this are not read; a file of another kind may have one in each line.
_SHOWN = 100
ENOUGH = 1000
"""How many problems of one file end the search for more, which takes time: see ``nearest``."""


ODD_SPACE = re.compile("[^\\S \\t\\r\\n]|[\u200b-\u200f\u2060\ufeff]")
"""A character that looks like a space, or like nothing, and is neither in YAML nor in JSON."""


@dataclass(frozen=True, order=True, slots=True)
class Mark:
    """A place in a file; ``line`` and ``column`` count from 1, as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return ``file:line:column``, which editors and terminals turn into a link."""
        return f"{printable(self.file, '')}:{self.line}:{self.column}"


class Severity(StrEnum):
    """Whether a problem stops a command."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True, slots=True)
class Check:
    """Something that can be wrong in a file.

    ``id`` is E (error) or W (warning) and four digits, the first of which is the area; ``name`` is
    a word or two with hyphens; ``description`` says in one line what is wrong if it is found.
    """

    id: str
    name: str
    description: str

    @property
    def severity(self) -> Severity:
        """Whether what it finds stops a command."""
        return Severity.WARNING if self.id.startswith("W") else Severity.ERROR

    def at(self, mark: Mark, message: str, hint: str) -> "Problem":
        """Return the problem that this check has found at ``mark``."""
        return Problem(mark, message, hint, self)


UNNAMED = Check("E1000", "invalid", "A value is not usable, for the reason that the message gives")
"""What finds problems for which there is no check of their own."""


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing that is wrong, found by ``check``; ``hint`` says how to put it right."""

    mark: Mark
    message: str
    hint: str
    check: Check = UNNAMED

    def __str__(self) -> str:
        """Return the line for the user, and the hint indented below it."""
        return f"{self.mark}: {_line(self.message)} [{self.check.id}]\n    hint: {_line(self.hint)}"


def _line(text: str) -> str:
    """Return ``text`` as one line of bearable length."""
    if len(text) > _LENGTH:
        text = f"{text[: _LENGTH // 2]} … {text[-_LENGTH // 4 :]}"
    return printable(text, "")


class InvalidInputError(InputError):
    """A file has problems: its message lists every one in the order of the file.

    Of more than a hundred it lists the first hundred.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the ``problems`` (at least one), sorted and each once."""
        self.problems = sorted(set(problems))
        count = len(self.problems)
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        lines += [f"and {count - _SHOWN} more"] if count > _SHOWN else []
        head = f"{count} problem{'s' if count > 1 else ''} found"
        super().__init__("\n".join([head, *lines]))


@dataclass
class Report:
    """Collects problems, so that the user sees them all at once."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, mark: Mark, message: str, hint: str, check: Check = UNNAMED) -> None:
        """Record a problem that ``check`` has found, as ``extend``."""
        self.extend([Problem(mark, message, hint, check)])

    def extend(self, found: Iterable[Problem]) -> None:
        """Record the problems ``found``; raise InvalidInputError when there are ENOUGH."""
        self.problems += islice(found, ENOUGH)
        if len(self.problems) >= ENOUGH:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise InvalidInputError if there are problems."""
        if self.problems:
            raise InvalidInputError(self.problems)


def space_name(space: str) -> str:
    """Return how messages call the character ``space``, which ODD_SPACE has found."""
    return f"U+{ord(space):04X} ({unicodedata.name(space, 'a control character').lower()})"


def alike(word: str, known: Iterable[str]) -> list[str]:
    """Return which of ``known`` may be meant by ``word``, the nearest first."""
    return difflib.get_close_matches(word, sorted(known))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the hint for a ``word`` that is not among ``known``: the nearest of them, or all.

    If ``known`` is empty, nothing is allowed.
    """
    names = sorted(known)
    if odd := ODD_SPACE.search(word):
        return f"it has {space_name(odd.group())}: put an ordinary space there"
    if close := alike(word, names):
        return f"did you mean '{close[0]}'?"
    if not names:
        return "nothing is allowed here: remove it"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"known: {', '.join(names[:_LISTED])}{more}"
