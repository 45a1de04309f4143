# SPDX-License-Identifier: Apache-2.0
"""Full disks: which path had no room, and how much it needs."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from altostratus.errors import AltostratusError
from altostratus.process import CommandError

SIGNS = ("No space left on device", "Disk quota exceeded", "You don't have enough free space")
"""What programs write when a disk is full; the last one is apt's, before a download."""

_CODES = (errno.ENOSPC, errno.EDQUOT)


class NoSpaceError(AltostratusError, OSError):
    """A disk is full. Also an OSError, which those who write files expect."""


@contextlib.contextmanager
def needed(path: Path, size: int) -> Iterator[None]:
    """Explain a full disk in the body, which writes about ``size`` bytes to ``path``.

    Raises NoSpaceError that names both; other errors pass.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _CODES:
            raise no_space(path, size) from error
        raise
    except CommandError as error:
        if any(sign in error.output for sign in SIGNS):
            raise no_space(path, size) from error
        raise


def no_space(path: Path, size: int) -> NoSpaceError:
    """Return the error for ``path``, which needs about ``size`` bytes and did not get them."""
    return NoSpaceError(
        f"No space left on device: {path} needs {_amount(size)}, {_amount(_free(path))} are free",
        f"make room on the file system of {path.parent}",
    )


def _free(path: Path) -> int:
    there = next(each for each in (path, *path.parents) if each.is_dir())
    status = os.statvfs(there)
    return status.f_bavail * status.f_frsize


def _amount(size: int) -> str:
    return f"{size} bytes ({size / 2**20:.0f} MiB)"
