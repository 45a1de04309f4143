# SPDX-License-Identifier: Apache-2.0
"""Work directories that are removed with their process, however it ends.

Each has a lock that its process holds and the kernel releases when the process dies. ``sweep``,
called at the start of every build, removes the directories whose lock is free.
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
    """Make a directory below ``parent`` (0700) and remove it with its content at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    # No sweep may come between making the directory and locking it.
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
    """Remove every directory below ``parent`` whose owner is dead; return their paths."""
    if not parent.is_dir():
        return []
    with files.lock(parent / ".lock"):
        dead = [path for path in sorted(parent.iterdir()) if path.is_dir() and not _owned(path)]
        for path in dead:
            remove(path)
    return dead


def remove(path: Path) -> None:
    """Remove the tree ``path``, but no file system that is mounted in it.

    Raises CommandError if something is left, for instance a mount point.
    """
    command: list[str | Path] = ["rm", "-rf", "--one-file-system", "--", path]
    process.run(command, env={"PATH": os.defpath}, tidying=True)


def _owned(path: Path) -> bool:
    try:
        with files.lock(path / OWNER, blocking=False):
            return False
    except BlockingIOError:
        return True
