# SPDX-License-Identifier: Apache-2.0
"""From the root of an image to the file that its hypervisor type wants."""

import math
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from imagebuild import process

MIB = 2**20
# What an instance writes before Nova grows its disk to the flavour's size.
SPARE = 64 * MIB
FACTOR = 1.3
# DIB's root label: the name that boot loaders and fstab files of its elements know.
LABEL = "cloudimg-rootfs"


def unpack_root(archive: Path, target: Path) -> None:
    """Unpack the tar ``archive`` of a root into the new directory ``target``, as it was."""
    target.mkdir()
    options = ["--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*"]
    # A node of the build's own terminal file system.
    options += ["--exclude=./dev/pts/*"]
    process.run(
        ["tar", "--directory", target, "--extract", "--file", archive, *options],
        die_with_parent=True,
    )
    # diskimage-builder leaves these two out.
    for name in ("proc", "sys"):
        (target / name).mkdir(exist_ok=True)


def write_ext4(root: Path, target: Path, key: str) -> None:
    """Write the directory ``root`` as one ext4 file system into the sparse file ``target``.

    No journal: the file is a template; what runs on it is replaceable. Identifiers are derived from
    ``key``, so that the same root gives the same file system. No loop device, no mount.
    """
    size, inodes = _measure(root)
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, key))
    process.run(
        [
            *("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-L", LABEL),
            *("-m", "1", "-N", str(inodes), "-U", identity, "-E", f"hash_seed={identity}"),
            *("-d", root, target, f"{size // MIB}M"),
        ],
        env={"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"},
        die_with_parent=True,
    )


WRITERS: Mapping[str, Callable[[Path, Path, str], None]] = {"lxc": write_ext4}
"""Per hypervisor type what writes its image: from root directory, to file, content key."""


def _measure(root: Path) -> tuple[int, int]:
    """Return the size in bytes (whole MiB) and the number of inodes for a file system of root."""
    seen: dict[tuple[int, int], int] = {}
    for directory, names, others in os.walk(root):
        for name in (".", *names, *others):
            status = os.lstat(Path(directory, name))
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    size = math.ceil((sum(seen.values()) * FACTOR + SPARE) / MIB) * MIB
    return size, math.ceil(len(seen) * FACTOR) + 4096
