# SPDX-License-Identifier: Apache-2.0
"""The lanes of the tests, and which of them a selection of tests needs.

A lane is one process: a linter, mypy, or pytest on a part of the tests. ``tools.testrun`` runs
them.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from altostratus.errors import InputError

TOP = Path(__file__).parents[1]
CHECK = "tools/check.sh"
# Options of pytest whose value is an argument of its own.
VALUED = frozenset(
    ("-k", "-m", "-p", "-o", "-c", "-n", "-r", "-W", "--deselect", "--durations", "--maxfail")
)
SELECTING = frozenset(("-k", "-m"))
# What a run without --full leaves out. The strictness is in tests/functional/conftest.py.
GATE = ("-m", "not full")


@dataclass(frozen=True)
class Lane:
    """One process of the test run.

    ``paths`` are the tests of a lane of pytest, ``without`` those below them that are another
    lane's. A lane without paths is a stage of tools/check.sh. ``behind`` lanes get a smaller share
    of the processors than the others, which take longer.
    """

    name: str
    paths: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    functional: bool = False
    behind: bool = False

    def command(self, chosen: Sequence[str], options: Sequence[str], report: Path) -> list[str]:
        """Return what runs the tests ``chosen`` of this lane; ``report`` is its junit file."""
        if not self.paths:
            return [CHECK, self.name]
        ignored = [f"--ignore={path}" for path in self.without]
        pytest = [sys.executable, "-m", "pytest", "--no-header", *self.options]
        return [*pytest, f"--junitxml={report}", *chosen, *ignored, *options]


CONTAINER = "tests/functional/test_devtest_container.py"
IMAGES = "tests/functional/images"
_FUNCTIONAL = ("-v", "--durations=40", "-o", "faulthandler_timeout=1500")
LANES = (
    Lane("lint"),
    Lane("types"),
    Lane("unit", ("tests/unit",), options=("--numprocesses=auto",)),
    Lane("container", (CONTAINER,), options=_FUNCTIONAL, functional=True),
    Lane("images", (IMAGES,), options=_FUNCTIONAL, functional=True, behind=True),
    Lane(
        "clouds",
        ("tests/functional",),
        without=(CONTAINER, IMAGES),
        options=_FUNCTIONAL,
        functional=True,
    ),
)


@dataclass(frozen=True)
class Selection:
    """What the arguments after ``--`` name: paths (perhaps with ``::test``) and other options."""

    paths: tuple[str, ...]
    options: tuple[str, ...]

    @property
    def narrows(self) -> bool:
        """Tell whether tests are chosen, by path, name or marker."""
        return bool(self.paths) or any(
            each in SELECTING or each.startswith(("-k", "-m")) for each in self.options
        )

    def of(self, lane: Lane) -> tuple[str, ...]:
        """Return the paths that are to be run in ``lane``; none: the lane is not needed."""
        if not self.paths:
            return () if self.narrows and not lane.paths else lane.paths or (lane.name,)
        found = [each for path in self.paths for each in _within(path, lane)]
        return tuple(dict.fromkeys(found))


def _within(path: str, lane: Lane) -> list[str]:
    """Return which part of ``lane`` is at ``path``: ``path`` itself, or all of the lane."""
    file = Path(path.partition("::")[0])
    if any(file.is_relative_to(other) for other in lane.without):
        return []
    if any(file.is_relative_to(top) for top in lane.paths):
        return [path]
    return [top for top in lane.paths if Path(top).is_relative_to(file)]


def select(arguments: Sequence[str], top: Path = TOP) -> Selection:
    """Tell paths of tests, relative to ``top``, from other arguments of pytest.

    Raises InputError for a path that is not there, or not below ``tests``.
    """
    paths: list[str] = []
    options: list[str] = []
    for before, each in zip(["", *arguments], arguments, strict=False):
        if each.startswith("-") or before in VALUED:
            options.append(each)
        else:
            paths.append(_relative(each, top))
    return Selection(tuple(paths), tuple(options))


def _relative(argument: str, top: Path) -> str:
    name, colons, test = argument.partition("::")
    relative = os.path.relpath(top / name, top)
    if not (top / relative).exists() or not Path(relative).is_relative_to("tests"):
        raise InputError(
            f"{name}: no such file or directory below tests/",
            "name tests as in: ./run-tests.sh -- tests/functional/test_nodes.py -k drained",
        )
    return f"{relative}{colons}{test}"
