# SPDX-License-Identifier: Apache-2.0
"""Writes a directory as an ext4 file system by mke2fs, without a loop device or a mount."""

import math
import os
import re
import stat
import uuid
from pathlib import Path

from altostratus import process
from imagebuild.formats.reproducible import EPOCH, everything

MIB = 2**20
# For what an instance writes before its file system has grown to the flavor's disk.
SPARE = 64 * MIB
FACTOR = 1.3
# mke2fs would choose 16 to 64 MiB by the size of the file system, which grows later.
JOURNAL = 32 * MIB
# DIB's root label, which boot loaders and fstab files of its elements use.
LABEL = "cloudimg-rootfs"

_ENVIRONMENT = {
    "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
    # The clock of e2fsprogs' programs.
    "E2FSPROGS_FAKE_TIME": str(EPOCH),
}
_TIMES = ("ctime", "atime")
_COUNTS = ("Inode count", "Free inodes")
# Inode numbers, https://docs.kernel.org/filesystems/ext4/special_inodes.html.
_ROOT_INODE, _FIRST_INODE = 2, 11
_BLOCK = 4096


def write(root: Path, target: Path, key: str, *, journal: bool, offset: int = 0) -> int:
    """Write the directory ``root`` as one ext4 file system into the sparse file ``target``.

    It begins ``offset`` bytes into the file. A machine that may lose power needs a ``journal``; a
    replaceable instance on a host that mounts the file does not. Identifiers are derived from
    ``key`` and all times are EPOCH, so that the same root gives the same file system: mke2fs takes
    names in sorted order. Returns its size in bytes, a whole number of MiB.
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
        env=_ENVIRONMENT,
        die_with_parent=True,
    )
    _settle_inodes(target, offset)
    return size


def _settle_inodes(target: Path, offset: int) -> None:
    """Set the times of change and access of every inode, which the source has, to EPOCH."""
    image = f"{target}?offset={offset}"
    told = process.run(["debugfs", "-R", "show_super_stats -h", image], env=_ENVIRONMENT).stdout
    count, free = (int(re.findall(rf"^{what}: +(\d+)$", told, re.M)[0]) for what in _COUNTS)
    used = [_ROOT_INODE, *range(_FIRST_INODE, count - free + 1)]
    commands = [f"set_inode_field <{n}> {time} @{EPOCH}" for n in used for time in _TIMES]
    process.run(
        ["debugfs", "-w", "-f", "-", image], input="\n".join(commands) + "\n", env=_ENVIRONMENT
    )


def _measure(root: Path) -> tuple[int, int]:
    """Return the size in bytes (whole MiB) and the number of inodes for a file system of root.

    They depend on names and content alone, not on how the file system of ``root`` stores them.
    """
    seen: dict[tuple[int, int], int] = {}
    for path in everything(root):
        status = path.lstat()
        size = _BLOCK if stat.S_ISDIR(status.st_mode) else status.st_size
        seen[status.st_dev, status.st_ino] = math.ceil(size / _BLOCK) * _BLOCK
    size = math.ceil((sum(seen.values()) * FACTOR + SPARE) / MIB) * MIB
    return size, math.ceil(len(seen) * FACTOR) + 4096
