# SPDX-License-Identifier: Apache-2.0
"""Finds the format of an image file by its first bytes, and whether its type can use it."""

from collections.abc import Mapping
from pathlib import Path

from altostratus.errors import InputError
from altostratus.hypervisors import HYPERVISORS, HypervisorType

# Offset and bytes of the magic number, by format (a suffix of the table of hypervisor types).
_MARKS = {
    # Magic string of qcow2, https://www.qemu.org/docs/master/interop/qcow2.html.
    "qcow2": (0, b"QFI\xfb"),
    # POSIX ustar, which docker save and GNU tar write.
    "tar": (257, b"ustar"),
    # s_magic of the superblock, https://docs.kernel.org/filesystems/ext4/globals.html.
    "raw": (1024 + 0x38, b"\x53\xef"),
}
_NAMES = {"qcow2": "a qcow2 file", "tar": "a tar file", "raw": "an ext4 file system"}


def recognise(path: Path) -> str | None:
    """Return the format of the file ``path``: qcow2, tar or raw (ext4); None for all others."""
    with path.open("rb") as stream:
        head = stream.read(2048)
    for name, (offset, mark) in _MARKS.items():
        if head[offset : offset + len(mark)] == mark:
            return name
    return None


def check(path: Path, kind: HypervisorType | None, properties: Mapping[str, str]) -> None:
    """Raise InputError if instances of type ``kind`` could not start from the file ``path``.

    ``kind`` is None if the user gives no type, or gives it only by ``properties``.
    """
    found = recognise(path)
    if kind and found != kind.suffix:
        but = f", but {_NAMES[found]}" if found else ""
        raise InputError(
            f"{path} is not {_NAMES[kind.suffix]}, as images for {kind.name} are{but}",
            "is it for another hypervisor type?",
        )
    tagged = properties.get("hypervisor_type", "").lower()
    wanted = next((row for row in HYPERVISORS.values() if row.image_property == tagged), None)
    # --hypervisor would set it; Nova refuses such an image when the instance starts.
    if kind is None and wanted and wanted.container_format != "bare":
        raise InputError(
            f"{path}: images for {wanted.name} have the container format {wanted.container_format}",
            f"use --hypervisor {wanted.name}, which sets formats and properties",
        )
