# SPDX-License-Identifier: Apache-2.0
"""Directories for work in progress that go away with their owner, however it ends.

Each has a lock that its process holds; the kernel drops it when the process dies. ``sweep``, called
at the start of every build, removes those that nobody owns any more.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from altostratus import files, process

OWNER = "owner"


@contextlib.contextmanager
def work_directory(parent: Path) -> Iterator[Path]:
    """Make a directory below ``parent`` (0700) and remove it, with all it holds, at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    # Nobody sweeps between the making of the directory and its being owned.
    with files.lock(parent / ".lock"):
        path = Path(tempfile.mkdtemp(dir=parent))
        owner = contextlib.ExitStack()
        owner.enter_context(files.lock(path / OWNER))
    with owner:
        try:
            yield path
        finally:
            remove(path)


def sweep(parent: Path) -> list[Path]:
    """Remove every directory below ``parent`` whose owner is dead; return what was removed."""
    if not parent.is_dir():
        return []
    with files.lock(parent / ".lock"):
        dead = [path for path in sorted(parent.iterdir()) if path.is_dir() and not _owned(path)]
        for path in dead:
            remove(path)
    return dead


def remove(path: Path) -> None:
    """Remove the tree ``path``, but nothing that is mounted on it.

    Raises CommandError if something is left, for instance because it is mounted.
    """
    process.run(["rm", "-rf", "--one-file-system", "--", path], env={"PATH": os.defpath})


def _owned(path: Path) -> bool:
    try:
        with files.lock(path / OWNER, blocking=False):
            return False
    except BlockingIOError:
        return True
