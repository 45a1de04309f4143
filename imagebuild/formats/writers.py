# SPDX-License-Identifier: Apache-2.0
"""Turns the root of an image into the file that its hypervisor type needs."""

from collections.abc import Callable, Mapping
from pathlib import Path

from altostratus import process
from altostratus.hypervisors import HYPERVISORS, Layout
from imagebuild.formats import disk, dockerarchive, ext4


def unpack_root(archive: Path, target: Path) -> None:
    """Unpack the tar ``archive`` of a root into the new directory ``target``."""
    target.mkdir()
    options = ["--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*"]
    # A device of the build's own devpts.
    options += ["--exclude=./dev/pts/*"]
    process.run(
        ["tar", "--directory", target, "--extract", "--file", archive, *options],
        die_with_parent=True,
    )
    # diskimage-builder leaves these two out.
    for name in ("proc", "sys"):
        (target / name).mkdir(exist_ok=True)
        (target / name).chmod(0o755)


def write_ext4(root: Path, target: Path, key: str) -> None:
    """Write the directory ``root`` as one ext4 file system into the sparse file ``target``.

    Without a journal: the file is a template for instances that can be replaced.
    """
    ext4.write(root, target, key, journal=False)


WRITERS: Mapping[Layout, Callable[[Path, Path, str], None]] = {
    Layout.DISK: disk.write_disk,
    Layout.FILE_SYSTEM: write_ext4,
    Layout.DOCKER_ARCHIVE: dockerarchive.write_archive,
}
"""Functions that write an image, by its layout; arguments: root directory, file, content key."""


def write(
    hypervisor: str, root: Path, target: Path, key: str, *, partition: bool
) -> dict[str, Path]:
    """Write the image file ``target`` for ``hypervisor`` from the directory ``root``.

    ``key`` is the content key. With ``partition`` it is a file system without a boot loader.
    Returns the other files of the image, beside ``target``, by name (kernel, ramdisk).
    """
    if partition:
        return disk.write_partition(root, target, key)
    WRITERS[HYPERVISORS[hypervisor].layout](root, target, key)
    return {}
