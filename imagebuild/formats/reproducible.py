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
    """Set the times of all files below ``root`` to EPOCH.

    Byte code in images is checked by the digest of its source, not by its time: Python writes it
    so where SOURCE_DATE_EPOCH is set.
    """
    for path in everything(root):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
