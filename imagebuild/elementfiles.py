# SPDX-License-Identifier: Apache-2.0
"""The files of an element: what of them is an input of a build, and a copy of just that.

diskimage-builder copies whole elements, whatever is in them. So it gets a copy that holds what the
digests cover and nothing else: no version control, no editors' files, no documentation.

A symbolic link is replaced by what it leads to if that is outside the copy. Links below ``static``
and links that lead nowhere are about the image, and stay as they are.
"""

import fnmatch
import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from altostratus.errors import InputError

CONTRACT = "service.yaml"
"""A service element's contract; the generator needs most of it, a build just two fields."""

# Nothing that happens in a build depends on these, at the top of an element.
_IRRELEVANT = frozenset({"README.rst", "README.md", "tests"})
# Byte code, version control, and what editors and file managers leave, in any directory.
_LITTER = (
    *("__pycache__", "*.pyc", ".git", ".gitignore", ".gitattributes", ".gitkeep", ".hg", ".svn"),
    *("*~", ".*.sw?", ".#*", "#*#", ".*.un~", "*.orig", "*.rej", ".DS_Store", ".idea", ".vscode"),
)
# install-static copies the links below it as links: they are about the image.
_IN_THE_IMAGE = "static/"
# A link to /dev/null, say, means just that.
_OF_THE_MACHINE = ("/dev/", "/proc/", "/sys/", "/run/")
_USUAL_DIRECTORY = 0o755
_USUAL_FILES = {0o644: "", 0o755: " executable"}


@dataclass(frozen=True)
class Entry:
    """A file, directory or symbolic link of an element."""

    name: str
    """Its path below the element."""
    path: Path
    """Where it is read: elsewhere if a link led there."""
    status: os.stat_result


def entries(directory: Path) -> list[Entry]:
    """Return what of the element ``directory`` is an input, each directory before its content.

    Raises InputError that names everything that cannot be read or is no file, directory or link.
    """
    problems: list[str] = []
    found = list(_below(directory, "", directory, frozenset(), problems))
    if problems:
        raise InputError(
            "\n".join(problems), "an element has files, directories and symbolic links only"
        )
    return found


def digests(directory: Path) -> dict[str, str]:
    """Return path → digest of every input in the element ``directory``, but for its contract.

    A digest covers content and mode. Directories of the usual mode (0755) that have content are
    left out. Raises InputError as ``entries`` does.
    """
    found = entries(directory)
    parents = {entry.name.rpartition("/")[0] for entry in found}
    return {
        entry.name: _digest(entry)
        for entry in found
        if entry.name != CONTRACT and not _is_plain_directory(entry, parents)
    }


def copy(directory: Path, target: Path, tops: Collection[str] = ()) -> None:
    """Copy the inputs of the element ``directory``, with their modes, to the directory ``target``.

    With ``tops`` only these of its files and directories. Raises InputError as ``entries`` does.
    """
    target.mkdir(parents=True, exist_ok=True)
    for entry in entries(directory):
        if tops and entry.name.partition("/")[0] not in tops:
            continue
        made = target / entry.name
        if stat.S_ISLNK(entry.status.st_mode):
            made.symlink_to(entry.path.readlink())
        elif stat.S_ISDIR(entry.status.st_mode):
            made.mkdir(exist_ok=True)
            made.chmod(stat.S_IMODE(entry.status.st_mode))
        else:
            shutil.copy2(entry.path, made)


def _below(
    directory: Path, name: str, top: Path, above: frozenset[Path], problems: list[str]
) -> Iterator[Entry]:
    """Yield what is below ``directory``, called ``name`` in the element.

    ``top`` is what its links may lead to and stay links; ``above`` are the directories that a link
    led to on the way.
    """
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        problems.append(f"{directory}: {error.strerror}")
        return
    for each in names:
        if not _is_litter(each) and (name or each not in _IRRELEVANT):
            path = f"{name}/{each}" if name else each
            yield from _entry(directory / each, path, top, above, problems)


def _entry(
    path: Path, name: str, top: Path, above: frozenset[Path], problems: list[str]
) -> Iterator[Entry]:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        elsewhere = _leads_out(path, name, top)
        if elsewhere is None:
            yield Entry(name, path, status)
        elif elsewhere in above or path.is_relative_to(elsewhere):
            problems.append(f"{path}: the symbolic link leads back to a directory that it is in")
        elif elsewhere.is_dir():
            yield Entry(name, elsewhere, elsewhere.stat())
            yield from _below(elsewhere, name, elsewhere, above | {elsewhere}, problems)
        else:
            yield from _entry(elsewhere, name, top, above, problems)
    elif stat.S_ISDIR(status.st_mode):
        yield Entry(name, path, status)
        yield from _below(path, name, top, above, problems)
    elif not stat.S_ISREG(status.st_mode):
        problems.append(f"{path} is a {_kind(status.st_mode)}")
    elif not os.access(path, os.R_OK):
        problems.append(f"{path}: Permission denied")
    else:
        yield Entry(name, path, status)


def _leads_out(link: Path, name: str, top: Path) -> Path | None:
    """Return the real path that is read through ``link``; None if a build just copies the link."""
    target = _resolved(link)
    if target is None or name.startswith(_IN_THE_IMAGE) or str(target).startswith(_OF_THE_MACHINE):
        return None
    lexical = Path(os.path.normpath(link.parent / link.readlink()))
    if link.readlink().is_absolute() or not lexical.is_relative_to(top):
        return target
    parts = lexical.relative_to(top).parts
    left_out = parts[:1] and parts[0] in _IRRELEVANT
    return target if left_out or any(map(_is_litter, parts)) else None


def _resolved(link: Path) -> Path | None:
    """Return the real path that ``link`` leads to; None if there is nothing, or a loop."""
    try:
        return link.resolve(strict=True)
    except (OSError, RuntimeError):
        return None


def _is_litter(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _LITTER)


def _is_plain_directory(entry: Entry, parents: set[str]) -> bool:
    mode = entry.status.st_mode
    usual = stat.S_ISDIR(mode) and stat.S_IMODE(mode) == _USUAL_DIRECTORY
    return usual and entry.name in parents


def _digest(entry: Entry) -> str:
    mode = entry.status.st_mode
    if stat.S_ISLNK(mode):
        return f"link to {entry.path.readlink()}"
    if stat.S_ISDIR(mode):
        return f"directory {stat.S_IMODE(mode):04o}"
    # 20 bytes are enough, and hundreds of these are kept with each image.
    with entry.path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:40]
    return digest + _USUAL_FILES.get(stat.S_IMODE(mode), f" {stat.S_IMODE(mode):04o}")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")
