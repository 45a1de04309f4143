# SPDX-License-Identifier: Apache-2.0
"""From the root of an image to the file that its hypervisor type wants."""

from collections.abc import Callable, Mapping
from pathlib import Path

from altostratus import process
from altostratus.hypervisors import HYPERVISORS, Layout
from imagebuild.formats import disk, dockerarchive, ext4


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

    No journal: the file is a template; what runs on it is replaceable. No loop device, no mount.
    """
    ext4.write(root, target, key, journal=False)


WRITERS: Mapping[Layout, Callable[[Path, Path, str], None]] = {
    Layout.DISK: disk.write_disk,
    Layout.FILE_SYSTEM: write_ext4,
    Layout.DOCKER_ARCHIVE: dockerarchive.write_archive,
}
"""What writes an image of each layout: from root directory, to file, content key."""


def write(
    hypervisor: str, root: Path, target: Path, key: str, *, partition: bool
) -> dict[str, Path]:
    """Write the image file ``target`` for ``hypervisor`` from the directory ``root``.

    ``key`` is the content key. With ``partition`` it is a file system without a boot loader.
    Returns the further files that belong to the image, which are beside it, by what they are.
    """
    if partition:
        return disk.write_partition(root, target, key)
    WRITERS[HYPERVISORS[hypervisor].layout](root, target, key)
    return {}
