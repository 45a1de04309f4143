# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a file of the user's, where exactly, and what to do about it.

Every problem is found by a Check, whose id ends its message. ``docs/checks.md`` lists them.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from altostratus.errors import InputError

# More names than this are no help to the reader.
_LISTED = 24


@dataclass(frozen=True, order=True, slots=True)
class Mark:
    """A place in a file; ``line`` and ``column`` count from 1, as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return ``file:line:column``, which editors and terminals turn into a link."""
        return f"{self.file}:{self.line}:{self.column}"


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
        return f"{self.mark}: {self.message} [{self.check.id}]\n    hint: {self.hint}"


class InvalidInputError(InputError):
    """A file has problems: its message lists every one in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the ``problems`` (at least one), sorted and each once."""
        self.problems = sorted(set(problems))
        count = len(self.problems)
        lines = "\n".join(str(problem) for problem in self.problems)
        super().__init__(f"{count} problem{'s' if count > 1 else ''} found\n{lines}")


@dataclass
class Report:
    """Collects problems, so that the user sees them all at once."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, mark: Mark, message: str, hint: str, check: Check = UNNAMED) -> None:
        """Record a problem that ``check`` has found."""
        self.problems.append(Problem(mark, message, hint, check))

    def raise_if_any(self) -> None:
        """Raise InvalidInputError if there are problems."""
        if self.problems:
            raise InvalidInputError(self.problems)


def alike(word: str, known: Iterable[str]) -> list[str]:
    """Return which of ``known`` may be meant by ``word``, the nearest first."""
    return difflib.get_close_matches(word, sorted(known))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the hint for a ``word`` that is not among ``known``: the nearest of them, or all.

    If ``known`` is empty, nothing is allowed.
    """
    names = sorted(known)
    if close := alike(word, names):
        return f"did you mean '{close[0]}'?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (
        f"known: {', '.join(names[:_LISTED])}{more}" if names else "nothing can be here: remove it"
    )
