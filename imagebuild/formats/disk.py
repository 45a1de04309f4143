# SPDX-License-Identifier: Apache-2.0
"""Writes a directory as a bootable disk, or as one partition for such a disk.

The disk has a master boot record, GRUB for BIOS in the rest of the first MiB, and one ext4
partition to its end. GRUB's files are made inside the image by its own GRUB (element
``own-kernel``). Nothing is mounted, and no loop or device-mapper device is used.
"""

import hashlib
import shutil
import struct
from pathlib import Path

from altostratus import process
from altostratus.errors import AltostratusError
from imagebuild.formats import ext4

SECTOR = 512
PARTITION = ext4.MIB
"""Offset of the partition in bytes, the default of partitioning tools."""

# Below the root of an image, from the element own-kernel.
BOOT_CODE = Path("usr/lib/altostratus/boot/boot.img")
CORE = Path("usr/lib/altostratus/boot/core.img")
KERNEL = Path("boot/vmlinuz")
RAMDISK = Path("boot/initrd.img")

# The master boot record: boot code, disk signature, four partition entries, boot signature. Type
# 0x83 (Linux), active; the three bytes each for cylinder, head and sector say "LBA only".
_BOOT_CODE_SIZE = 440
_ENTRY = struct.Struct("<B3sB3sII")
_ACTIVE, _LINUX, _LINEAR = 0x80, 0x83, b"\xfe\xff\xff"
_MARK = b"\x55\xaa"


def write_disk(root: Path, target: Path, key: str) -> None:
    """Write the directory ``root`` as a bootable disk into the qcow2 file ``target``.

    Identifiers are derived from ``key``. Raises AltostratusError if the root has no boot loader.
    """
    for part in (BOOT_CODE, CORE, KERNEL, RAMDISK):
        _boot_file(root, part)
    core = (root / CORE).read_bytes()
    if SECTOR + len(core) > PARTITION:
        raise AltostratusError(f"the boot loader does not fit before the partition: {len(core)} B")
    raw = target.with_suffix(".disk")
    size = ext4.write(root, raw, key, journal=True, offset=PARTITION)
    with raw.open("r+b") as disk:
        disk.write(boot_record((root / BOOT_CODE).read_bytes(), key, size))
        disk.write(core)
    _compress(raw, target)


def write_partition(root: Path, target: Path, key: str) -> dict[str, Path]:
    """Write the directory ``root`` as one file system into the qcow2 file ``target``.

    Its kernel and initial ramdisk go into files beside it, which are returned by the names kernel
    and ramdisk.
    """
    found = {"kernel": _boot_file(root, KERNEL), "ramdisk": _boot_file(root, RAMDISK)}
    raw = target.with_suffix(".disk")
    ext4.write(root, raw, key, journal=True)
    _compress(raw, target)
    made = {name: target.with_suffix(f".{name}") for name in found}
    for name, source in found.items():
        shutil.copyfile(source, made[name])
    return made


def boot_record(boot_code: bytes, key: str, size: int) -> bytes:
    """Return the master boot record (one sector) of a disk with one partition of ``size`` bytes."""
    signature = hashlib.sha256(f"disk signature {key}".encode()).digest()[:4]
    entry = _ENTRY.pack(
        _ACTIVE, _LINEAR, _LINUX, _LINEAR, PARTITION // SECTOR, size // SECTOR
    ).ljust(4 * _ENTRY.size, b"\0")
    code = boot_code[:_BOOT_CODE_SIZE].ljust(_BOOT_CODE_SIZE, b"\0")
    return code + signature + b"\0\0" + entry + _MARK


def _boot_file(root: Path, part: Path) -> Path:
    """Return the path of the file ``part`` in the image; links are resolved in its directory."""
    path = root / part
    if path.is_symlink():
        path = path.parent / path.readlink().name
    if not path.is_file():
        raise AltostratusError(
            f"the image cannot boot: it has no /{part}",
            "its target element must depend on own-kernel",
        )
    return path


def _compress(raw: Path, target: Path) -> None:
    """Turn the sparse file ``raw`` into the qcow2 file ``target``, which replaces it.

    zstd takes a fifth of zlib's CPU time for the same size; QEMU reads it since version 5.1. The
    clusters are in order (no -W), so that the same disk gives the same file.
    """
    process.run(
        [
            *("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-m", "4"),
            *("-o", "compression_type=zstd", raw, target),
        ],
        die_with_parent=True,
    )
    raw.unlink()
