# SPDX-License-Identifier: Apache-2.0
"""The user's directories of elements, ``ELEMENTS_PATH``, and which element of a name is taken.

The order is diskimage-builder's (``_find_all_elements`` in its ``element_dependencies.py``): the
first directory that has an element wins, and the whole folder replaces the other ones. An element
that is a symbolic link has the name of its target.
"""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from altostratus.errors import InputError

VARIABLE = "ELEMENTS_PATH"

# What makes a folder an element, and not a directory of elements.
_SIGNS = ("service.yaml", "element-deps", "element-provides", "package-installs.yaml", "pkg-map")
_HOOKS = (
    "root extra-data pre-install install post-install pre-finalise finalise cleanup environment"
)

logger = logging.getLogger(__name__)


def own() -> list[Path]:
    """Return the directories that ``ELEMENTS_PATH`` names, absolute, each once.

    Empty entries do not count. Raises InputError that names every entry that cannot be used.
    """
    entries = [part.strip() for part in os.environ.get(VARIABLE, "").split(":") if part.strip()]
    problems = [f"{one}: {reason}" for one in entries if (reason := unusable(Path(one)))]
    if problems:
        message = "\n".join(f"{VARIABLE}: {one}" for one in dict.fromkeys(problems))
        hint = "it names directories that hold elements, separated by ':'; correct or unset it"
        raise InputError(message, hint)
    return unique(Path(one).absolute() for one in entries)


def unusable(directory: Path) -> str | None:
    """Return why ``directory`` cannot be searched for elements; None if it can."""
    if not directory.exists():
        return "no such directory"
    if not directory.is_dir():
        return "not a directory"
    if not os.access(directory, os.R_OK | os.X_OK):
        return "permission denied"
    return "an element itself: name the directory above it" if is_element(directory) else None


def is_element(folder: Path) -> bool:
    """Return whether ``folder`` looks like an element, and not like a directory of elements."""
    files = any((folder / sign).is_file() for sign in _SIGNS)
    return files or any((folder / f"{hook}.d").is_dir() for hook in _HOOKS.split())


def unique(directories: Iterable[Path]) -> list[Path]:
    """Return ``directories`` without those that are the same as one before them."""
    found: dict[Path, Path] = {}
    for one in directories:
        found.setdefault(one.resolve(), one)
    return list(found.values())


def folders(path: Sequence[Path]) -> dict[str, Path]:
    """Return every element by its name, as found in the directories ``path``, first match first."""
    return {name: found[0][1] for name, found in sorted(_candidates(path).items())}


def note_replaced(path: Sequence[Path], names: Iterable[str] | None = None) -> None:
    """Say which elements of ``ELEMENTS_PATH`` replace others of ``path``; of ``names``, if given.

    The user may not know that we have an element of the same name.
    """
    mine = set(own())
    wanted = None if names is None else set(names)
    for name, ((directory, folder), *others) in sorted(_candidates(path).items()):
        if others and directory in mine and (wanted is None or name in wanted):
            logger.info("note: element %s: %s replaces %s", name, folder, others[0][1])


def adopt(directories: Sequence[Path]) -> None:
    """Make ``directories`` those of ``ELEMENTS_PATH`` for us and our children, unless it is set.

    A variable that is set but empty is set: it says that there are none.
    """
    if directories and VARIABLE not in os.environ:
        os.environ[VARIABLE] = ":".join(map(str, directories))
        logger.info("note: elements also from %s", os.environ[VARIABLE])


def lost_hint() -> str:
    """Return what to do about an element or service that is not found."""
    hint = f"{VARIABLE} names further directories of elements"
    if VARIABLE not in os.environ and "SUDO_USER" in os.environ:
        hint += f"; sudo passes it on with --preserve-env={VARIABLE}"
    return hint


def _candidates(path: Sequence[Path]) -> Mapping[str, list[tuple[Path, Path]]]:
    """Return the directories of ``path`` that have an element, with its folder, by its name."""
    found: dict[str, list[tuple[Path, Path]]] = {}
    for directory in path:
        for entry in sorted(directory.iterdir()):
            if entry.is_dir() and not entry.name.startswith("."):
                folder = entry.resolve() if entry.is_symlink() else entry
                found.setdefault(folder.name, []).append((directory, folder))
    return found
