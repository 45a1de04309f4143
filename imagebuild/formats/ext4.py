# SPDX-License-Identifier: Apache-2.0
"""Writes a directory as an ext4 file system by mke2fs, without a loop device or a mount."""

import math
import os
import uuid
from pathlib import Path

from altostratus import process

MIB = 2**20
# For what an instance writes before its file system has grown to the flavor's disk.
SPARE = 64 * MIB
FACTOR = 1.3
# mke2fs would choose 16 to 64 MiB by the size of the file system, which grows later.
JOURNAL = 32 * MIB
# DIB's root label, which boot loaders and fstab files of its elements use.
LABEL = "cloudimg-rootfs"


def write(root: Path, target: Path, key: str, *, journal: bool, offset: int = 0) -> int:
    """Write the directory ``root`` as one ext4 file system into the sparse file ``target``.

    It begins ``offset`` bytes into the file. A machine that may lose power needs a ``journal``; a
    replaceable instance on a host that mounts the file does not. Identifiers are derived from
    ``key``, so that the same root gives the same file system. Returns its size in bytes, a whole
    number of MiB.
    """
    size, inodes = _measure(root)
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, key))
    features = ["-J", f"size={JOURNAL // MIB}"] if journal else ["-O", "^has_journal"]
    size += JOURNAL if journal else 0
    process.run(
        [
            *("mke2fs", "-q", "-F", "-t", "ext4", *features, "-L", LABEL),
            *("-m", "1", "-N", str(inodes), "-U", identity),
            *("-E", f"hash_seed={identity},offset={offset}"),
            *("-d", root, target, f"{size // MIB}M"),
        ],
        env={"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"},
        die_with_parent=True,
    )
    return size


def _measure(root: Path) -> tuple[int, int]:
    """Return the size in bytes (whole MiB) and the number of inodes for a file system of root."""
    seen: dict[tuple[int, int], int] = {}
    for directory, names, others in os.walk(root):
        for name in (".", *names, *others):
            status = os.lstat(Path(directory, name))
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    size = math.ceil((sum(seen.values()) * FACTOR + SPARE) / MIB) * MIB
    return size, math.ceil(len(seen) * FACTOR) + 4096
