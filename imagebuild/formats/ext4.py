# SPDX-License-Identifier: Apache-2.0
"""A directory as an ext4 file system: by mke2fs alone, without a loop device or a mount."""

import math
import os
import uuid
from pathlib import Path

from altostratus import process

MIB = 2**20
# What an instance writes before its file system has grown to the flavour's disk.
SPARE = 64 * MIB
FACTOR = 1.3
# Of the file systems that have one; mke2fs would take 16 to 64 MiB by their size, and they grow.
JOURNAL = 32 * MIB
# DIB's root label: the name that boot loaders and fstab files of its elements know.
LABEL = "cloudimg-rootfs"


def write(root: Path, target: Path, key: str, *, journal: bool, offset: int = 0) -> int:
    """Write the directory ``root`` as one ext4 file system into the sparse file ``target``.

    It begins ``offset`` bytes into the file. Without ``journal`` it is for a host that mounts it
    for a replaceable instance; a machine of its own can lose its power, and needs one. Identifiers
    are derived from ``key``, so that the same root gives the same file system. Returns its size in
    bytes, a whole number of MiB.
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
