# SPDX-License-Identifier: Apache-2.0
"""What makes the same root the same image file, whenever and wherever it is written."""

import os
from collections.abc import Iterator
from pathlib import Path

EPOCH = 1767225600
"""The time of everything in an image, in seconds: the first of January 2026, UTC.

Builds get it as SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/).
"""


def everything(root: Path) -> Iterator[Path]:
    """Yield the directory ``root`` and all below it, sorted, directories before their content."""
    yield root
    for directory, names, others in os.walk(root):
        names.sort()
        yield from (Path(directory, name) for name in sorted([*names, *others]))


def settle(root: Path) -> None:
    """Set the times of all files below ``root`` to EPOCH, also those that byte code has."""
    for path in everything(root):
        if path.suffix == ".pyc" and path.is_file() and not path.is_symlink():
            _settle_byte_code(path)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def _settle_byte_code(path: Path) -> None:
    """Let ``path`` fit to a source of EPOCH.

    After four bytes of magic number and four of flags, byte code has the time of its source, or a
    digest if a flag is set: https://peps.python.org/pep-0552/.
    """
    with path.open("r+b") as stream:
        head = stream.read(16)
        if len(head) == 16 and not any(head[4:8]):
            stream.seek(8)
            stream.write(EPOCH.to_bytes(4, "little"))
